"""A collector for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Collector


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    running = Collector(tmp_path).start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()
    told = running.log.read_text()
    assert "Traceback" not in told, told
