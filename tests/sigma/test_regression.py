"""SigmaHQ's own regression tests: the named rule matches the recorded events, from EVTX and from JSON alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from corpora import REGRESSION, corpora
from sekisho.detection.detect import Detector
from sekisho.detection.matching.engine import Engine
from sekisho.detection.rules.rule import Ruleset
from sekisho.telemetry.workers import Workers

# `info.yml` says that one event matches, but more that stand in the file do, as can be read there: two values set to
# zero; three files whose names have the text.
MORE = {
    "c7dcacd0-cc59-4004-b0a4-1d6cdebe6f3e": 2,
    "0b9ad457-2554-44c1-82c2-d56a99c42377": 3,
    "8fbf3271-1ef6-4e94-8210-03c2317947f6": 3,
}
CASES = [
    (path.parent / Path(test["path"]).name, [rule["id"] for rule in info["rule_metadata"]], test.get("match_count"))
    for path in sorted(REGRESSION.rglob("info.yml"))
    for info in [yaml.safe_load(path.read_text())]
    for test in info["regression_tests_info"]
]


@pytest.fixture(scope="module")
def detector(sigmahq: Ruleset) -> Detector:
    return Detector(Engine(sigmahq))


@corpora
def test_there_are_all() -> None:
    assert len(CASES) == 98


@pytest.mark.parametrize(
    ("path", "rules", "count"), CASES, ids=lambda one: one.parent.name if hasattr(one, "parent") else ""
)
def test_the_rule_matches(detector: Detector, path: Path, rules: list[str], count: int | None) -> None:
    told = []
    for file in (path, path.with_suffix(".json")):
        answers = list(detector.in_files([file], ZoneInfo("UTC"), Workers(0)))
        assert not sum(answer.unread for answer in answers)
        told.append(
            Counter(
                (detector.engine.ruleset.rules[match.place].id, match.event_id, match.record)
                for answer in answers
                for match in answer.matches
            )
        )
    assert told[0] == told[1], "EVTX and JSON differ"
    found = sum(times for (rule, _, _), times in told[0].items() if rule in rules)
    assert found >= 1 if count is None else found == MORE.get(rules[0], count)
