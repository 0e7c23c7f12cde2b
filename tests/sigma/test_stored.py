"""What a store has is told in one order, however it lies there."""

from __future__ import annotations

from pathlib import Path

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import read
from sekisho.detection import stored
from sekisho.detection.detect import Answer, Detector
from sekisho.detection.matching.alert import Match
from sekisho.detection.matching.engine import Engine
from sekisho.detection.rules.rule import Item, Logsource, Pattern, Rule, Ruleset, written
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.query import Span
from sekisho.telemetry.workers import Workers

TIME = st.one_of(st.none(), st.integers(-5, 30))
PIECES = st.lists(st.lists(st.tuples(TIME, st.text("ab", max_size=2), st.integers(0, 2)), max_size=6), max_size=8)


def bound(time: int | None) -> tuple[bool, int]:
    return time is None, time or 0


@settings(max_examples=500)
@given(PIECES)
def test_answers_are_in_the_order_of_their_events(some: list[list[tuple[int | None, str, int]]]) -> None:
    pieces = sorted((sorted(one, key=lambda m: bound(m[0])) for one in some if one), key=lambda one: bound(one[0][0]))
    answers = [
        Answer([Match(place, key, time, None, None, "", 0, {}, {}) for time, key, place in reversed(one)], 0, 0)
        for one in pieces
    ]
    found = [one for answer in stored.in_order([bound(one[0][0]) for one in pieces], answers) for one in answer.matches]
    wanted = sorted(
        (one for answer in answers for one in answer.matches), key=lambda m: (bound(m.time), m.event_id, m.place)
    )
    assert found == wanted


def test_parts_that_overlap_and_were_merged_have_one_order(tmp_path: Path) -> None:
    """As terminals send: batch upon batch, each with a bit of everybody's day, so that parts are merged meanwhile."""
    rule = Rule("x", "x", None, None, Logsource(product="windows"), written(Item("F", (Pattern(("a",)),))), "")
    store = EmbeddedStore(tmp_path / "events")
    with store.writing() as writer:
        for batch in range(30):
            lines = [
                orjson.dumps({"Channel": "x", "EventID": 1, "F": "a", "batch": batch, "n": n}
                             | ({"EventTime": f"2026-11-24T{(7 * n + batch) % 24:02}:00:{batch:02}Z"} if n else {}))
                for n in range(12)
            ]  # fmt: skip
            writer.put(read(b"\n".join(lines), f"file {batch}"))
    told = list[tuple[int, int]]()
    detector = Detector(Engine(Ruleset((rule,))))
    with Workers(0) as workers:
        answers = stored.answers(detector, store, Span(), workers, lambda *one: told.append(one))
        found = [match for answer in answers for match in answer.matches]
    assert len(found) == 360
    assert found == sorted(found, key=lambda match: (bound(match.time), match.event_id))
    assert sum(match.time is None for match in found) == 30
    assert told[0] == (0, 360)
    assert told[-1] == (360, 360)
