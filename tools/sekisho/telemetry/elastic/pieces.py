"""All events of a span in Elasticsearch, at one moment, in pieces that several processes read side by side.

A piece is a stretch of time: so the pieces have an order, and what was found in one need not wait for all the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from sekisho.telemetry.elastic import connection, narrow, point
from sekisho.telemetry.elastic.narrow import Query
from sekisho.telemetry.elastic.point import AS_THEY_LIE, Point
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.event import Event
from sekisho.telemetry.query import Log, Search, Span

_EVENTS = 20_000  # of a piece, about
_CUTS = 100  # of a day, at most
_DAYS = 20_000  # more than there are between the first year and the last
# Of the fields that are kept beside a source, rules and alerts need no others.
_FIELDS = ("event.original", "log.file.path", "log.offset", "sekisho.time", "sekisho.ecs", "host.name", "user.name")
_TIME = "sekisho.time"
_EARLIEST = -(2**63)
_DATED = {"exists": {"field": _TIME}}
_UNDATED = {"bool": {"must_not": _DATED}}


class ElasticPiece(NamedTuple):
    """The events of a span of time, or those without a time; `point` is the moment at which all pieces are read."""

    settings: Settings
    point: str
    query: Query
    since: int | None
    size: int

    def events(self) -> Iterator[list[Event]]:
        """The events, some at once, in no order; of their ECS fields only the host and the user.

        Raises:
            Missing: Elasticsearch cannot be reached, or does not answer for all.
        """
        with connection.telling(), _connected(self.settings) as client:
            yield from Point(client, self.point).pages(self.query, AS_THEY_LIE, _FIELDS)


@contextmanager
def pieces(settings: Settings, span: Span, logs: Collection[Log] | None) -> Iterator[list[ElasticPiece]]:
    """The pieces of a span, in the order of their times; what has no time is the last, if the span has no end at all.

    With `logs`, what is surely of none of them is not read.

    Raises:
        Missing: Elasticsearch cannot be reached, or does not answer for all.
    """
    with connection.telling(), _connected(settings) as client, point.opened(client) as moment:
        if moment is None:
            yield []
            return
        only = [] if logs is None else [narrow.of_logs(logs)]
        sizes, undated = _cuts(moment, narrow.every(_of(span), *only), span.since)
        found = [
            ElasticPiece(
                settings,
                moment.id,
                narrow.every(_DATED, _of(Span(since, until)), *only),
                _EARLIEST if since is None else since,
                size,
            )
            for (since, size), (until, _) in pairwise([*sizes, (span.until, 0)])
        ]
        if span == Span() and undated:
            found.append(ElasticPiece(settings, moment.id, narrow.every(_UNDATED, *only), None, undated))
        yield found


def _of(span: Span) -> Query:
    return narrow.query(Search(span=span), ())


def _connected(settings: Settings) -> Elasticsearch:
    return connection.connect(settings, attempts=len(settings.urls) + 1)


def _cuts(moment: Point, query: Query, since: int | None) -> tuple[list[tuple[int | None, int]], int]:
    """Where each piece begins and about how many events it has; and how many have no time.

    The server tells the times about which each day can be cut into equal parts: where they lie exactly does not matter,
    for the pieces lie one behind the other without a gap.
    """
    percents = [100 * number / _CUTS for number in range(_CUTS)]
    asked = {"percentiles": {"field": _TIME, "percents": percents, "keyed": False}}
    answer: Any = moment.ask(
        query=query,
        size=0,
        track_total_hits=False,
        aggregations={
            "days": {"terms": {"field": "_index", "size": _DAYS}, "aggregations": {"times": asked}},
            "undated": {"missing": {"field": _TIME}},
        },
    )
    if (found := answer.get("aggregations")) is None:  # no index is there yet
        return [], 0
    sizes: dict[int, int] = {}
    for day in found["days"]["buckets"]:
        count = day["doc_count"]
        parts = min(_CUTS, ceil(count / _EVENTS))
        for part in range(parts):
            if (time := day["times"]["values"][part * _CUTS // parts]["value"]) is not None:
                sizes[int(time)] = sizes.get(int(time), 0) + count // parts
    return _joined(sorted(sizes.items()), since), found["undated"]["doc_count"]


def _joined(cuts: Iterable[tuple[int, int]], since: int | None) -> list[tuple[int | None, int]]:
    """The same without cuts between which there is little: each piece costs the server a look at every day."""
    found: list[tuple[int | None, int]] = [(since, 0)]
    for time, size in cuts:
        before, sum_ = found[-1]
        if sum_ and sum_ + size > _EVENTS:
            found.append((time, size))
        else:
            found[-1] = (before, sum_ + size)
    return found
