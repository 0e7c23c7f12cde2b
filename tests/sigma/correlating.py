"""Rules with a correlation over them, and matches of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sekisho.detection import load
from sekisho.detection.matching.alert import Match
from sekisho.detection.rules.rule import Ruleset

SECOND = 1_000_000


CORRELATION = "6f2b5a0e-3d0c-4b0e-9a34-5345b1540001"


def ruleset(folder: Path, kind: str, above: dict[str, Any] | None = None, **more: Any) -> Ruleset:
    """Rules a, b and c, a correlation over them, and one above, which may refer to that by its id."""
    names = ["a", "b", "c"]
    documents: list[dict[str, Any]] = [
        {
            "title": name,
            "name": name,
            "logsource": {"product": "windows"},
            "detection": {"s": {"F": name}, "condition": "s"},
        }
        for name in names
    ]
    body = {"type": kind, "rules": ["a"], "timespan": "10s", "group-by": ["User"], **more}
    documents.append({"title": "c", "id": CORRELATION, "correlation": body})
    if above:
        documents.append({"title": "above", "id": CORRELATION[:-1] + "2", "correlation": above})
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump_all(documents))
    found = load.load([path])
    assert not found.unusable, found.unusable
    return found


def match(found: Ruleset, number: int, time: float, rule: str = "a", **facts: Any) -> Match:
    """An event that one of them matches; its id is the number, its time in seconds."""
    place = next(place for place, one in enumerate(found.rules) if one.name == rule)
    facts = {"User": "u", **facts}
    told = {name: (value,) for name, value in facts.items()}
    return Match(place, str(number), round(time * SECOND), None, None, "f", number, {}, told)
