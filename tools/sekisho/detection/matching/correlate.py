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

import orjson

from sekisho.detection.matching.alert import Correlated, Match
from sekisho.detection.records.record import text_of
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
        # For others that refer to it, an alert is an event of its own, with its group's fields.
        by_rule[correlation.id] += [
            one.matches[0]._replace(
                time=one.time,
                event_id=identity(one),
                facts={name: (value,) for name, value in one.group},
            )
            for one in some
        ]
    return found


def identity(found: Correlated) -> str:
    """What tells an alert from all others: its rule, its group, and the event that opened the run."""
    opened = max(found.matches, key=lambda one: (one.time == found.time, one.event_id)).event_id
    return sha256(orjson.dumps([found.rule.id, found.group, opened])).hexdigest()[:32]


def _of(correlation: Correlation, by_rule: Mapping[str, Sequence[Match]]) -> Iterator[Correlated]:
    groups: dict[Group, list[tuple[int, int, str, Match]]] = defaultdict(list)
    for place, rule in enumerate(correlation.rules):
        for match in by_rule.get(rule, ()):
            if match.time is not None:
                for group in _groups(correlation, rule, match):
                    groups[group].append((match.time, place, match.event_id, match))
    for group, some in groups.items():
        some.sort(key=lambda one: one[:3])
        yield from _runs(correlation, group, some)


def _runs(correlation: Correlation, group: Group, some: Sequence[tuple[int, int, str, Match]]) -> Iterator[Correlated]:  # noqa: C901 - a sweep: all that can happen at a moment
    """The runs of one group, whose events are in the order of their times."""
    span = correlation.seconds * 1_000_000
    window: deque[tuple[int, int, Match]] = deque()
    state = _State(correlation)
    opened: int | None = None
    run: list[Match] = []
    for time, those in [*((t, list(g)) for t, g in groupby(some, key=lambda one: one[0])), (None, [])]:
        while window and (time is None or window[0][0] + span < time):
            end = window[0][0]
            while window and window[0][0] == end:
                state.remove(*window.popleft()[1:])
            holds = bool(window) and state.holds(end + span + 1)
            if opened is not None and not holds:
                yield Correlated(correlation, opened, group, tuple(run))
                opened, run = None, []
            elif opened is None and holds:
                opened, run = end + span + 1, [match for _, _, match in window]
        if time is None:
            break
        for _, place, _, match in those:
            window.append((time, place, match))
            state.add(time, place, match)
        if opened is not None:
            run += [match for _, _, _, match in those]
        if state.holds(time):
            if opened is None:
                opened, run = time, [match for _, _, match in window]
        elif opened is not None:  # there are too many now
            yield Correlated(correlation, opened, group, tuple(run[: -len(those)]))
            opened, run = None, []


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

    def add(self, time: int, place: int, match: Match) -> None:
        self._count += 1
        self._values.update(self._told(place, match))
        self._rules[place] += 1
        before = time if place == 0 else self._begun[place - 1]
        if before is not None:
            self._begun[place] = max(before, self._begun[place] or before)

    def remove(self, place: int, match: Match) -> None:
        self._count -= 1
        for value in self._told(place, match):
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
