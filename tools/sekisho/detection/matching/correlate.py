"""Correlations over what rules matched, by windows that slide with every event.

At any time the window holds the events of the last `seconds`, both ends included. A correlation raises one alert a
group and unbroken run: from the moment at which its window is fulfilled to the one at which it no longer is. An event
that has no value for a field of `group_by` belongs to no group, one that has several to several; one without a time to
none.
"""

from __future__ import annotations

import operator
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby, islice, product
from typing import NamedTuple

import orjson

from sekisho.detection.matching.alert import Correlated, Match
from sekisho.detection.records.record import Scalar, text_of
from sekisho.detection.rules.rule import Correlation, Ruleset

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_GROUPS = 1000  # of one event with many values
Group = tuple[tuple[str, str], ...]


class Member(NamedTuple):
    """A match in a group, and which of the correlation's rules it is of, by its place among them."""

    time: int
    place: int
    event_id: str
    match: Match


def facts(ruleset: Ruleset) -> dict[str, tuple[str, ...]]:
    """By the id of a rule, the fields of its events that correlations ask for."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for correlation in ruleset.correlations:
        for rule in correlation.rules:
            for name in (*correlation.group_by, *([correlation.field] if correlation.field else [])):
                found[rule][_called(correlation, name, rule)] = None
    return {rule: tuple(names) for rule, names in found.items()}


def correlated(ruleset: Ruleset, matches: Iterable[Match]) -> list[Correlated]:
    """The alerts of all correlations, each correlation's in the order of their times."""
    by_rule: dict[str, list[Match]] = defaultdict(list)
    for match in matches:
        by_rule[ruleset.rules[match.place].id].append(match)
    found: list[Correlated] = []
    for correlation in ruleset.correlations:
        some = sorted(_of(correlation, by_rule), key=lambda one: (one.time, one.group))
        found += some
        by_rule[correlation.id] += map(as_match, some)
    return found


def as_match(found: Correlated) -> Match:
    """What others that refer to a correlation see of its alert: an event of its own, with its group's fields."""
    told: dict[str, tuple[Scalar, ...]] = {name: (value,) for name, value in found.group}
    return found.matches[0]._replace(time=found.time, event_id=identity(found), facts=told)


def identity(found: Correlated) -> str:
    """What tells an alert from all others: its rule, its group, and the event that opened the run."""
    return sha256(orjson.dumps([found.rule.id, found.group, found.opened])).hexdigest()[:32]


def _of(correlation: Correlation, by_rule: Mapping[str, Sequence[Match]]) -> Iterator[Correlated]:
    groups: dict[Group, list[Member]] = defaultdict(list)
    for rule in dict.fromkeys(correlation.rules):
        for match in by_rule.get(rule, ()):
            for group, member in members(correlation, rule, match):
                groups[group].append(member)
    for group, some in groups.items():
        some.sort(key=lambda one: one[:3])
        yield from runs(correlation, group, some)


def members(correlation: Correlation, rule: str, match: Match) -> Iterator[tuple[Group, Member]]:
    """What a match of a rule is in a correlation: of which groups, and in which places among its rules."""
    if match.time is None:
        return
    for place, name in enumerate(correlation.rules):
        if name == rule:
            for group in _groups(correlation, rule, match):
                yield group, Member(match.time, place, match.event_id, match)


def runs(correlation: Correlation, group: Group, some: Sequence[Member]) -> Iterator[Correlated]:  # noqa: C901 - a sweep: all that can happen at a moment
    """The runs of one group, whose members are in the order of their times, places and ids."""
    span = correlation.seconds * 1_000_000
    window: deque[Member] = deque()
    state = _State(correlation)
    run: _Run | None = None

    def opened(time: int, by: str) -> _Run:
        return _Run(correlation, time, group, by, [one.match for one in window])

    for time, those in [*((t, list(g)) for t, g in groupby(some, key=lambda one: one.time)), (None, [])]:
        while window and (time is None or window[0].time + span < time):
            end, gone = window[0].time, ""
            while window and window[0].time == end:
                gone = max(gone, window[0].event_id)
                state.remove(window.popleft())
            if end + span + 1 == time:  # others come at that very moment: what they leave behind was never a window
                continue
            holds = bool(window) and state.holds(end + span + 1)
            if run is not None and not holds:
                yield run.ended()
                run = None
            elif run is None and holds:
                run = opened(end + span + 1, f"-{gone}")
        if time is None:
            break
        for one in those:
            window.append(one)
            state.add(one)
        if state.holds(time):
            if run is None:
                run = opened(time, max(one.event_id for one in those))
            else:
                run.matches += [one.match for one in those]
        elif run is not None:  # there are too many now
            yield run.ended()
            run = None


class _Run:
    """A run that has not ended yet."""

    def __init__(self, correlation: Correlation, time: int, group: Group, opened: str, window: list[Match]) -> None:
        self.matches = window
        self._begun = correlation, time, group
        self._opened = opened, len(window)

    def ended(self) -> Correlated:
        """The whole of it."""
        return Correlated(*self._begun, tuple(self.matches), *self._opened)


class _State:
    """What a window holds, kept up to date: nothing is counted anew for each event."""

    def __init__(self, correlation: Correlation) -> None:
        self._of = correlation
        self._span = correlation.seconds * 1_000_000
        self._count = 0
        self._values: Counter[str] = Counter()
        self._rules: Counter[int] = Counter()
        # The latest time at which a chain of the first n rules began that is in order; for `temporal_ordered`.
        self._begun: list[int | None] = [None] * len(correlation.rules)

    def add(self, one: Member) -> None:
        time, place = one.time, one.place
        self._count += 1
        self._values.update(self._told(place, one.match))
        self._rules[place] += 1
        before = time if place == 0 else self._begun[place - 1]
        if before is not None:
            self._begun[place] = max(before, self._begun[place] or before)

    def remove(self, one: Member) -> None:
        place = one.place
        self._count -= 1
        for value in self._told(place, one.match):
            self._values[value] -= 1
            if not self._values[value]:
                del self._values[value]
        self._rules[place] -= 1
        if not self._rules[place]:
            del self._rules[place]

    def holds(self, time: int) -> bool:
        """Whether the window that ends at this time is fulfilled."""
        kind = self._of.kind
        if kind == "temporal_ordered":
            begun = self._begun[-1]
            return begun is not None and begun >= time - self._span
        if kind == "temporal":
            if not self._of.count:
                return len(self._rules) == len(set(self._of.rules))
            number = len(self._rules)
        else:
            number = self._count if kind == "event_count" else len(self._values)
        return all(_COMPARE[how](number, wanted) for how, wanted in self._of.count)

    def _told(self, place: int, match: Match) -> set[str]:
        if self._of.field is None:
            return set()
        name = _called(self._of, self._of.field, self._of.rules[place])
        return {text_of(one) for one in match.facts.get(name, ()) if one is not None}


def _groups(correlation: Correlation, rule: str, match: Match) -> Iterator[Group]:
    names = correlation.group_by
    values = [
        dict.fromkeys(text_of(one) for one in match.facts.get(_called(correlation, name, rule), ()) if one is not None)
        for name in names
    ]
    for some in islice(product(*values), _GROUPS):
        yield tuple(zip(names, some, strict=True))


def _called(correlation: Correlation, name: str, rule: str) -> str:
    """What a field is called in the events of a rule."""
    for alias, names in correlation.aliases:
        if alias == name:
            return dict(names).get(rule, name)
    return name


def rules_of(ruleset: Ruleset) -> frozenset[str]:
    """The ids of the rules whose matches correlations need."""
    known: set[str] = {rule.id for rule in ruleset.rules}
    return frozenset(one for correlation in ruleset.correlations for one in correlation.rules if one in known)
