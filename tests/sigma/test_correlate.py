"""Correlations: windows that slide, groups, names that differ, and one alert for each unbroken run."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from correlating import SECOND, match, ruleset
from sekisho.detection import load
from sekisho.detection.matching import correlate
from sekisho.detection.matching.alert import Correlated
from sekisho.detection.rules.rule import Ruleset


def seen(found: Ruleset, *events: tuple[Any, ...]) -> list[tuple[float, list[int]]]:
    """The runs: when each began, in seconds, and the numbers of its events."""
    return [told(one) for one in correlate.correlated(found, [match(found, n, *one) for n, one in enumerate(events)])]


def told(one: Correlated) -> tuple[float, list[int]]:
    return one.time / SECOND, [int(match.event_id) for match in one.matches]


def at(*times: float) -> list[tuple[float]]:
    return [(time,) for time in times]


def test_a_burst_across_a_clocks_boundary_is_one(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 3})
    assert seen(found, *at(58, 59, 61)) == [(61, [0, 1, 2])]
    assert seen(found, *at(50, 55, 60)) == [(60, [0, 1, 2])], "both ends are within"
    assert seen(found, *at(50, 55, 60.000001)) == []


def test_one_alert_for_a_run_and_another_for_the_next(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 3})
    assert seen(found, *at(1, 2, 3, 4, 5, 12)) == [(3, [0, 1, 2, 3, 4, 5])]
    assert seen(found, *at(1, 2, 3, 101, 102, 103)) == [(3, [0, 1, 2]), (103, [3, 4, 5])]
    some = [match(found, n, *one) for n, one in enumerate(at(1, 2, 3, 101, 102, 103))]
    assert len({correlate.identity(one) for one in correlate.correlated(found, some)}) == 2


def test_who_leaves_as_another_comes_breaks_no_run(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 3})
    assert seen(found, *at(1, 2, 3, 11.000001)) == [(3, [0, 1, 2, 3])]


def test_runs_that_one_event_opens_by_coming_and_by_leaving_are_two(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"neq": 2})
    some = [match(found, n, *one) for n, one in enumerate(at(1, 2, 3))]
    runs = correlate.correlated(found, some)
    assert [(one.opened, one.width) for one in runs] == [("0", 1), ("2", 3), ("-1", 1)]
    assert len({correlate.identity(one) for one in runs}) == 3


def test_events_may_come_in_any_order(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 3})
    assert seen(found, *at(3, 1, 2)) == [(3, [1, 2, 0])]


def test_each_group_counts_for_itself(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 2})
    assert seen(found, (1, "a"), (2, "a", *[])) == [(2, [0, 1])]
    some = [match(found, 0, 1, User="u"), match(found, 1, 2, User="v"), match(found, 2, 3, User="v")]
    assert [(one.group, told(one)[1]) for one in correlate.correlated(found, some)] == [((("User", "v"),), [1, 2])]
    nobody = [one._replace(facts={"User": ()}) for one in some]
    assert correlate.correlated(found, nobody) == [], "who has no value belongs to no group"


def test_value_count_counts_different_values(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "value_count", condition={"gte": 3, "field": "Host"})
    alike = [match(found, n, n, Host="h") for n in range(5)]
    assert correlate.correlated(found, alike) == []
    other = [match(found, n, n, Host=host) for n, host in enumerate("hihjk")]
    assert [told(one) for one in correlate.correlated(found, other)] == [(3, [0, 1, 2, 3, 4])]


def test_temporal_needs_all_rules_within_the_time(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "temporal", rules=["a", "b", "c"])
    assert seen(found, (3, "c"), (1, "a"), (2, "b")) == [(3, [1, 2, 0])]
    assert seen(found, (1, "a"), (2, "b"), (12, "c")) == []


def test_temporal_ordered_needs_them_in_their_order(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "temporal_ordered", rules=["a", "b", "c"])
    assert seen(found, (1, "a"), (2, "b"), (3, "c")) == [(3, [0, 1, 2])]
    assert seen(found, (1, "a"), (3, "b"), (2, "c")) == []
    assert seen(found, (1, "a"), (8, "a"), (9, "b"), (12, "c")) == [(12, [1, 2, 3])]
    assert seen(found, (1, "a"), (9, "b"), (12, "c")) == [], "the first lies too far back"


def test_an_alias_says_what_a_field_is_called_in_each_rule(tmp_path: Path) -> None:
    found = ruleset(
        tmp_path,
        "temporal",
        rules=["a", "b"],
        aliases={"who": {"a": "SourceUser", "b": "TargetUser"}},
        **{"group-by": ["who"]},
    )
    names = correlate.facts(found)
    assert sorted(names.values()) == [("SourceUser",), ("TargetUser",)]
    first = match(found, 0, 1, "a", SourceUser="x", TargetUser="y")
    some = [first, match(found, 1, 2, "b", SourceUser="y", TargetUser="x")]
    assert [one.group for one in correlate.correlated(found, some)] == [(("who", "x"),)]


def test_only_correlations_that_say_so_let_their_rules_speak(tmp_path: Path) -> None:
    quiet = ruleset(tmp_path, "event_count", condition={"gte": 2})
    assert [rule.name for rule in quiet.rules if rule.id in quiet.silent] == ["a"]
    assert not ruleset(tmp_path, "event_count", condition={"gte": 2}, generate=True).silent


def test_a_rule_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    body = {"type": "event_count", "rules": ["gone"], "timespan": "1m", "condition": {"gte": 2}}
    path.write_text(yaml.safe_dump({"title": "c", "correlation": body}))
    found = load.load([path])
    assert "gone" in found.unusable[0].reason.en


TIMES = st.lists(st.integers(0, 40), max_size=12)


COMPARE = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}


@settings(max_examples=500, deadline=None)
@given(TIMES, st.sampled_from([("gte", 3), ("gt", 1), ("lt", 3), ("lte", 2), ("eq", 2), ("neq", 2)]))
def test_counts_are_what_counting_at_every_moment_gives(
    tmp_path_factory: Any, times: list[int], how: tuple[str, int]
) -> None:
    """The definition, at every second: a window holds who lies in it; a run is where it is fulfilled."""
    found = ruleset(tmp_path_factory.mktemp("r"), "event_count", condition=dict([how]))
    # Windows change at whole seconds and, as events leave, just behind them.
    moments = sorted({m for t in times for m in (t * SECOND, (t + 10) * SECOND + 1)})
    runs, held = [], False
    for moment in moments:
        inside = [t for t in times if moment - 10 * SECOND <= t * SECOND <= moment]
        holds = bool(inside) and COMPARE[how[0]](len(inside), how[1])
        if holds and not held:
            runs.append(moment)
        held = holds
    got = correlate.correlated(found, [match(found, n, t) for n, t in enumerate(times)])
    assert [one.time for one in got] == runs
