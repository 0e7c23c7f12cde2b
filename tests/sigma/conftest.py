from __future__ import annotations

import pytest

from corpora import RULES
from sekisho.detection import load
from sekisho.detection.rules.rule import Ruleset


@pytest.fixture(scope="session")
def sigmahq() -> Ruleset:
    return load.load([RULES])
