"""What a condition needs: never more than it does, and all of it, held against the engine itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.detection import load
from sekisho.detection.matching import evaluate
from sekisho.detection.records.record import Record
from sekisho.detection.rules import needs

FIELDS = "ABCD"
VALUES = ("x", "y", 1)


def lacks(detection: dict[str, Any], *there: str) -> str:
    return "".join(sorted(needs.lacking(load._condition(detection), there.__contains__)))


@pytest.mark.parametrize(
    ("detection", "there", "lacking"),
    [
        ({"s": {"A": "x"}, "condition": "s"}, "", "A"),
        ({"s": {"A": "x", "B": "y"}, "condition": "s"}, "A", "B"),
        ({"s": [{"A": "x"}, {"B": "y"}], "condition": "s"}, "B", ""),
        ({"s": [{"A": "x"}, {"B": "y"}], "condition": "s"}, "", "AB"),
        ({"s": {"A": "x"}, "t": {"B": "y"}, "condition": "s and not t"}, "A", ""),
        ({"s": {"A": "x"}, "t": {"B": "y"}, "condition": "not (s or t)"}, "", ""),
        ({"s": {"A": "x"}, "t": {"B": "y"}, "condition": "1 of them"}, "A", ""),
        ({"s": {"A": "x"}, "t": {"B": "y"}, "condition": "all of them"}, "A", "B"),
        ({"s": ["word"], "condition": "s"}, "", ""),
        ({"s": {"A": None}, "condition": "s"}, "", ""),
        ({"s": {"A": None}, "condition": "not s"}, "", "A"),
        ({"s": {"A": [None, "x"]}, "condition": "s"}, "", ""),
        ({"s": {"A|exists": True}, "condition": "s"}, "", "A"),
        ({"s": {"A|exists": False}, "condition": "s"}, "", ""),
        ({"s": {"A|exists": False}, "condition": "not s"}, "", "A"),
        ({"s": {"A|fieldref": "B"}, "condition": "s"}, "A", "B"),
        ({"s": {"A|fieldref": "B"}, "condition": "s"}, "B", "A"),
        ({"s": {"A|fieldref": "B"}, "condition": "not s"}, "", ""),
        ({"s": {"A|contains|all": ["x", "y"]}, "condition": "s"}, "", "A"),
        ({"s": {"A|neq": "x"}, "condition": "s"}, "", ""),
    ],
)
def test_without_these_no_branch_can_be_true(detection: dict[str, Any], there: str, lacking: str) -> None:
    assert lacks(detection, *there) == lacking


LINES = st.sampled_from(FIELDS).flatmap(
    lambda field: st.one_of(
        st.sampled_from(["x", 1, None, ["x", None], ["x", "y"]]).map(lambda value: {field: value}),
        st.booleans().map(lambda value: {f"{field}|exists": value}),
        st.sampled_from(FIELDS).map(lambda other: {f"{field}|fieldref": other}),
        st.just({f"{field}|contains|all": ["x", "x"]}),
    )
)
MAPS = st.lists(LINES, min_size=1, max_size=2).map(lambda some: {key: one[key] for one in some for key in one})
SELECTIONS = st.one_of(MAPS, st.lists(MAPS, min_size=1, max_size=2), st.just(["x"]))
CONDITIONS = st.recursive(
    st.sampled_from(["a", "b", "c"]),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not {one}"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} or {two[1]})"),
    ),
    max_leaves=5,
)
DETECTIONS = st.fixed_dictionaries({"a": SELECTIONS, "b": SELECTIONS, "c": SELECTIONS, "condition": CONDITIONS})
EVENTS = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from([*VALUES, None, []]), max_size=4)


@settings(deadline=None)
@given(DETECTIONS, st.lists(EVENTS, min_size=1, max_size=4))
def test_a_rule_that_matches_lacks_nothing(detection: dict[str, Any], events: list[dict[str, Any]]) -> None:
    node = load._condition(detection)
    records = [Record(event) for event in events]
    lacking = needs.lacking(node, lambda field: any(record.has(field) for record in records))
    if any(map(evaluate.compiled(node), records)):
        assert not lacking
    assert lacking <= set(needs.fields(node)) - {field for event in events for field in event}


@settings(deadline=None)
@given(DETECTIONS, st.sets(st.sampled_from(FIELDS)), st.lists(EVENTS, min_size=1, max_size=10))
def test_what_lacks_something_matches_nothing(
    detection: dict[str, Any], there: set[str], events: list[dict[str, Any]]
) -> None:
    node = load._condition(detection)
    lacking = needs.lacking(node, there.__contains__)
    test = evaluate.compiled(node)
    if lacking:
        assert not any(test(Record({key: one[key] for key in one if key in there})) for one in events)
        # All that is told is enough: with it, nothing is lacking.
        assert not needs.lacking(node, (there | lacking | set(FIELDS)).__contains__)


@settings(deadline=None)
@given(MAPS)
def test_of_one_map_exactly_what_is_lacking_is_told(selection: dict[str, Any]) -> None:
    """Every field of a map is needed, unless its absence is what is asked for."""
    detection = {"s": selection, "condition": "s"}
    told = needs.lacking(load._condition(detection), lambda _: False)
    wanted = {
        key.partition("|")[0]
        for key, value in selection.items()
        if value is not None and value != ["x", None] and value is not False
    }
    assert told == wanted


def test_the_fields_of_a_condition_are_all_of_them() -> None:
    detection = {"s": {"A": "x", "B|fieldref": "C"}, "t": ["w"], "u": {"D": None}, "condition": "s or not (t and u)"}
    assert set(needs.fields(load._condition(detection))) == set("ABCD")
