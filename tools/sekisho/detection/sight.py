"""What events have of what rules ask for: how many each route took, and which fields stand in any of them.

Most events are built like many others. Of those that are, one is looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import orjson

from sekisho.detection import stored
from sekisho.detection.records import routing
from sekisho.detection.records.record import Origin, Record
from sekisho.detection.records.routing import Route
from sekisho.detection.rules import needs
from sekisho.detection.rules.rule import Rule
from sekisho.telemetry.query import Span
from sekisho.telemetry.store import Piece, Store
from sekisho.telemetry.workers import Workers

_REMEMBERED = 100_000  # outlines of events, and origins: a source may make up new ones for ever


class Taken(NamedTuple):
    """How many events a route took, and the fields that stand in any of them."""

    events: int
    fields: frozenset[str]


class Seen(NamedTuple):
    """How many events were looked at, and what the routes took; one that took none is not there.

    A store may leave out events that no rule is for: they are not counted.
    """

    events: int
    routes: Mapping[Route, Taken]


class Sight:
    """Rules, and what to look for. For one look, and made before the processes that are to use it."""

    def __init__(self, rules: Sequence[Rule], facts: Mapping[str, Sequence[str]]) -> None:
        """`facts` has by rule the fields that correlations ask for."""
        self._rules = rules
        asked: dict[Route, dict[str, None]] = {}
        for rule in rules:
            for route in routing.routes(rule.logsource):
                asked.setdefault(route, {}).update(
                    dict.fromkeys((*needs.fields(rule.condition), *facts.get(rule.id, ())))
                )
        self._routes = tuple(asked)
        self._unseen = [set(asked[route]) for route in self._routes]
        self._near: dict[Origin, list[int]] = {}
        self._outlines: set[tuple[int, int]] = set()
        self._key = len(_sights)  # by it the processes find theirs
        _sights[self._key] = self

    def of_store(self, store: Store, span: Span, workers: Workers, tell: Callable[[int, int], None]) -> Seen:
        """What a store's events of a span have; `tell` is told now and then how many were read, and of how many.

        Raises:
            Missing: not all of it can be read.
            BadInput: it is damaged.
        """
        events, taken, fields = 0, Counter[int](), defaultdict[int, set[str]](set)
        with store.pieces(span, routing.logs(self._rules)) as pieces:
            for count, some, new in stored.each(pieces, partial(_in_piece, self._key), workers, tell):
                events += count
                taken += some
                for number, field in new:
                    fields[number].add(field)
        return Seen(
            events, {self._routes[number]: Taken(count, frozenset(fields[number])) for number, count in taken.items()}
        )

    def in_piece(self, piece: Piece) -> tuple[int, Counter[int], set[tuple[int, str]]]:
        """How many events there are, how many each route took, and which fields this process had not seen before."""
        events, taken, fields = 0, Counter[int](), set[tuple[int, str]]()
        for some in piece.events():
            events += len(some)
            for event in some:
                record = Record(orjson.loads(event.source))
                for number in self._taking(record):
                    taken[number] += 1
                    if self._unseen[number]:
                        fields.update((number, field) for field in self._new(number, record))
        return events, taken, fields

    def _taking(self, record: Record) -> list[int]:
        near = self._near.get(record.origin)
        if near is None:
            near = [number for number, route in enumerate(self._routes) if route.may_take(record.origin)]
            if len(self._near) < _REMEMBERED:
                self._near[record.origin] = near
        return [number for number in near if self._routes[number].takes(record)]

    def _new(self, number: int, record: Record) -> set[str]:
        """The fields of a route that stand in an event and in none before it."""
        outline = (number, hash(record.outline()))
        if outline in self._outlines:
            return set()
        if len(self._outlines) < _REMEMBERED:
            self._outlines.add(outline)
        called = record.called(self._routes[number].aliases)
        found = {field for field in self._unseen[number] if called.has(field)}
        self._unseen[number] -= found
        return found


_sights: dict[int, Sight] = {}


def _in_piece(key: int, piece: Piece) -> tuple[int, Counter[int], set[tuple[int, str]]]:
    return _sights[key].in_piece(piece)
