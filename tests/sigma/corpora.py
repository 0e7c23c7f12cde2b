"""Where the rules and recordings are, and rules and events as plain data."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

CORPORA = Path(os.environ.get("SEKISHO_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))
corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here (SEKISHO_CORPORA)")
RULES = CORPORA / "sigmahq"
REGRESSION = CORPORA / "regression"


def recorded(every: int = 1) -> Iterator[dict[str, Any]]:
    """Each event of the recordings, or one of so many."""
    number = 0
    for path in sorted((CORPORA / "otrf").rglob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if "__MACOSX" in name:
                    continue
                for line in io.BufferedReader(archive.open(name)):
                    number += 1
                    if number % every == 0 and line.startswith(b"{"):
                        yield orjson.loads(line)


def checked() -> Iterator[dict[str, Any]]:
    """Each event of the regression tests."""
    for path in sorted(REGRESSION.rglob("*.json")):
        text, at = path.read_text(encoding="utf-8-sig"), 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            found, at = json.JSONDecoder().raw_decode(text, at)
            yield found
