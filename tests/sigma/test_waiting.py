"""Correlations over what arrives, in any order, tell what correlations over the finished set tell."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from correlating import CORRELATION, SECOND, match, ruleset
from sekisho.detection.alerts.ledger import Ledger, open_ledger
from sekisho.detection.alerts.waiting import Waiting
from sekisho.detection.matching import correlate
from sekisho.detection.matching.alert import Correlated, Match
from sekisho.detection.rules.rule import Ruleset

LATENESS = 7 * SECOND
YEARS = 73 * 365 * 86_400 * SECOND  # how wrong a clock is that says 2099

_COUNTS = [{"gte": 3}, {"gt": 1}, {"lt": 3}, {"lte": 2}, {"eq": 2}, {"neq": 2}]
_TWICE = {
    "type": "event_count",
    "rules": [CORRELATION],
    "timespan": "15s",
    "group-by": ["User"],
    "condition": {"gte": 2},
}
_WITH_B = {"type": "temporal", "rules": [CORRELATION, "b"], "timespan": "8s", "group-by": ["User"]}
KINDS: list[tuple[str, dict[str, Any]]] = [
    *(("event_count", {"condition": one}) for one in _COUNTS),
    ("event_count", {"rules": ["a", "b"], "condition": {"gte": 4}}),
    *(("value_count", {"condition": {**one, "field": "Host"}}) for one in ({"gte": 2}, {"lt": 2}, {"eq": 2})),
    ("temporal", {"rules": ["a", "b"]}),
    ("temporal_ordered", {"rules": ["a", "b", "c"]}),
    ("event_count", {"condition": {"gte": 2}, "above": _TWICE}),
    ("event_count", {"condition": {"eq": 2}, "above": _TWICE}),
    ("value_count", {"condition": {"gte": 2, "field": "Host"}, "above": _WITH_B}),
]


class Coming(NamedTuple):
    """A match, and when it arrives."""

    rule: str
    match: Match
    arrives: int


@lru_cache
def rules(number: int) -> Ruleset:
    kind, more = KINDS[number]
    with tempfile.TemporaryDirectory() as folder:
        return ruleset(Path(folder), kind, **more)


@st.composite
def comings(draw: st.DrawFn, found: Ruleset, latest: int) -> list[Coming]:
    """Matches of half a minute, close together, each of which arrives within `latest`; the clock of v's is wrong."""
    some, wrong = [], draw(st.sampled_from([0, YEARS, -YEARS // 2]))
    for number in range(draw(st.integers(0, 16))):
        time = draw(st.integers(0, 25)) * SECOND + draw(st.integers(0, 1))
        rule, host, user = (draw(st.sampled_from(names)) for names in ("aaabc", "xy", "uuuv"))
        one = match(found, number, 0, rule, Host=host, User=user)._replace(time=time + (wrong if user == "v" else 0))
        some.append(Coming(one_id(found, one), one, time + draw(st.integers(0, latest))))
    return some


def one_id(found: Ruleset, one: Match) -> str:
    return found.rules[one.place].id


@contextmanager
def ledger() -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        one = open_ledger(Path(folder), create=True)
        yield one
        one.close()


def watched(
    found: Ruleset, some: Iterable[Coming], rounds: Sequence[int], lateness: int = LATENESS
) -> list[Correlated]:
    """The runs that are told when the store is asked at these moments, and from then on once in a while."""
    rest = sorted(some, key=lambda one: one.arrives)
    told: dict[str, Correlated] = {}
    waiting = Waiting(found, lateness)
    later = [max([0, *rounds, *(one.arrives for one in rest)]) + SECOND * 11 * n for n in range(1, 12)]
    with ledger() as kept, kept.transaction() as db:
        for now in [*rounds, *later]:
            while rest and rest[0].arrives <= now:
                one = rest.pop(0)
                waiting.hold(db, one.rule, one.match, now)
            for run in waiting.judged(db, now, now):
                told.setdefault(correlate.identity(run), run)
        assert db.execute("SELECT count(*) FROM waiting").fetchone() == (0,), "somebody waits for ever"
    return list(told.values())


def as_known(runs: Iterable[Correlated]) -> dict[str, tuple[Any, ...]]:
    """What is told of runs, by their ids."""
    return {
        correlate.identity(one): (
            one.rule.id,
            one.time,
            one.group,
            [match.event_id for match in one.matches[: one.width]],
        )
        for one in runs
    }


ROUNDS = st.builds(range, st.integers(0, 5 * SECOND), st.just(60 * SECOND), st.integers(SECOND, 15 * SECOND))


@settings(max_examples=250, deadline=None)
@given(st.data(), st.integers(0, len(KINDS) - 1), ROUNDS)
def test_what_comes_within_the_lateness_is_judged_as_if_all_had_been_there(
    data: st.DataObject, number: int, rounds: range
) -> None:
    found = rules(number)
    some = data.draw(comings(found, LATENESS))
    whole = correlate.correlated(found, [one.match for one in some])
    assert as_known(watched(found, some, rounds)) == as_known(whole)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(0, len(KINDS) - 1), ROUNDS, st.sampled_from([0, LATENESS]))
def test_what_comes_later_may_add_an_alert_and_takes_none(
    data: st.DataObject, number: int, rounds: range, lateness: int
) -> None:
    found = rules(number)
    some = data.draw(comings(found, 60 * SECOND))
    whole = as_known(correlate.correlated(found, [one.match for one in some]))
    told = as_known(watched(found, some, rounds, lateness))
    missing = {key: one for key, one in whole.items() if key not in told or told[key][:3] != one[:3]}
    assert not missing, "which events it rests on may have been known in part"


EVERY_SECOND = range(0, 60 * SECOND, SECOND)


def coming(found: Ruleset, number: int, time: int, late: int, rule: str = "a", host: str = "x") -> Coming:
    one = match(found, number, time, rule, Host=host)
    return Coming(one_id(found, one), one, (time + late) * SECOND)


def test_a_run_that_begins_as_one_leaves_is_told_when_all_until_then_has_come(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"lt": 3})
    some = [coming(found, number, number, 0) for number in range(3)]
    runs = watched(found, [*some, coming(found, 3, 9, 7)], EVERY_SECOND)
    assert [one.opened for one in runs] == ["0", "-1"], "at 10 s one leaves, and three remain: the last comes at 16 s"


def test_a_correlation_of_correlations_waits_for_those_that_they_wait_for(tmp_path: Path) -> None:
    two = {"condition": {"gte": 2}, "group-by": ["User", "Host"]}
    found = ruleset(tmp_path, "event_count", above={**_WITH_B, "timespan": "8s"}, **two)
    late = [coming(found, 0, 2, 7), coming(found, 1, 3, 7)]  # the alert of x is of 3 s, and known at 17 s
    soon = [coming(found, 2, 5, 0, host="y"), coming(found, 3, 5, 0, host="y")]  # that of y is known at 12 s
    some = [*late, *soon, coming(found, 4, 4, 0, "b")]
    assert [one.time for one in watched(found, some, EVERY_SECOND) if len(one.group) == 1] == [4 * SECOND]


def test_an_alert_is_told_when_the_lateness_has_passed_and_not_before(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 3})
    waiting, arrived = Waiting(found, LATENESS), 1000 * SECOND
    with ledger() as kept, kept.transaction() as db:
        for number in range(3):
            one = match(found, number, 4_070_908_800 + number)  # 2099
            waiting.hold(db, one_id(found, one), one, arrived)
        assert not list(waiting.judged(db, arrived + LATENESS - 1, arrived + LATENESS - 1))
        assert [one.width for one in waiting.judged(db, arrived + LATENESS, arrived + LATENESS)] == [3]


def test_a_clock_of_ours_that_was_wrong_for_a_while_stops_nothing(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 3})
    waiting, now = Waiting(found, LATENESS), 1000 * SECOND
    with ledger() as kept, kept.transaction() as db:
        for number in range(3):
            one = match(found, number, number)
            waiting.hold(db, one_id(found, one), one, now + YEARS)  # while it said 2099
        assert not list(waiting.judged(db, now, now))
        looked = now + LATENESS + 10 * SECOND + 1  # the lateness, and a window: longer nobody waits for a look
        assert not list(waiting.judged(db, looked, looked)), "from now on they count as arrived"
        assert [one.width for one in waiting.judged(db, looked + LATENESS, looked + LATENESS)] == [3]


def test_times_at_the_end_of_what_can_be_counted_are_times(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"lt": 3})
    waiting = Waiting(found, 0)
    with ledger() as kept, kept.transaction() as db:
        for number, time in enumerate((-(2**63), 2**63 - 1)):
            one = match(found, number, 0)._replace(time=time)
            waiting.hold(db, one_id(found, one), one, 0)
        assert [one.time for one in waiting.judged(db, 0, 0)] == [-(2**63), 2**63 - 1]


def test_a_correlation_that_asks_for_something_else_begins_anew(tmp_path: Path) -> None:
    before = ruleset(tmp_path, "event_count", condition={"gte": 3})
    after = ruleset(tmp_path, "event_count", condition={"gte": 2})
    with ledger() as kept, kept.transaction() as db:
        for number in range(2):
            one = match(before, number, number)
            Waiting(before, 0).hold(db, one_id(before, one), one, 0)
        assert not list(Waiting(after, 0).judged(db, 0, 0)), "of what arrived from now on only"


def test_what_is_held_is_let_go_of_by_its_arrival(tmp_path: Path) -> None:
    found = ruleset(tmp_path, "event_count", condition={"gte": 2})
    waiting = Waiting(found, LATENESS)
    with ledger() as kept:
        with kept.transaction() as db:
            for number, arrived in enumerate((10 * SECOND, 20 * SECOND, 20 * SECOND)):
                one = match(found, number, number)
                waiting.hold(db, one_id(found, one), one, arrived)
        assert kept.forget(20 * SECOND) == 1
        with kept.transaction() as db:
            assert [one.opened for one in waiting.judged(db, 60 * SECOND, 60 * SECOND)] == ["2"]


def test_facts_of_any_kind_come_back_as_they_were() -> None:
    found = rules(7)
    values = ("ü", 1, -1.5, True, None, 2**64 - 1)
    one = match(found, 0, 0)._replace(facts={"User": values, "Host": values})
    with ledger() as kept, kept.transaction() as db:
        Waiting(found, 0).hold(db, one_id(found, one), one, 0)
        rows = db.execute("SELECT grouped, body FROM held").fetchall()
    assert len(rows) == len(values) - 1, "null is no value, and each other one is a group"
    assert all(orjson.loads(body)[4] == {"User": list(values), "Host": list(values)} for _, body in rows)
