"""`sekisho detect` over a store: its pieces side by side, and what they have in one order, whichever store it is.

The order is that of the events' times, equal times by id; what has no time comes last. It depends neither on how the
events lie in the store nor on how many work.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from sekisho.detection import detect
from sekisho.detection.detect import Answer, Detector
from sekisho.detection.matching.alert import Match
from sekisho.detection.records import routing
from sekisho.telemetry.query import Span
from sekisho.telemetry.store import Piece, Store
from sekisho.telemetry.workers import Workers

Bound = tuple[bool, int]
Result = TypeVar("Result")


def answers(
    detector: Detector, store: Store, span: Span, workers: Workers, tell: Callable[[int, int], None]
) -> Iterator[Answer]:
    """What a store has of a span of time; `tell` is told now and then how many events were read, and of how many.

    Raises:
        Missing: not all of it can be read.
        BadInput: it is damaged.
    """
    with store.pieces(span, routing.logs(detector.engine.ruleset.rules)) as pieces:
        found = each(pieces, partial(_in_piece, detector.key), workers, tell)
        yield from in_order([_bound(one.since) for one in pieces], found)


def in_order(bounds: Sequence[Bound], some: Iterable[Answer]) -> Iterator[Answer]:
    """Answers whose matches are in the order of their events.

    `bounds` tells for each answer what no match of it comes before; they rise. So what comes before the next bound can
    be told, and no more is kept than what pieces that overlap have found.
    """
    kept: list[Match] = []
    for after, answer in zip([*bounds, None][1:], some, strict=True):
        kept = sorted([*kept, *answer.matches], key=_place)
        ready = len(kept) if after is None else bisect_left(kept, after, key=lambda one: _bound(one.time))
        yield answer._replace(matches=kept[:ready])
        del kept[:ready]


def each(
    pieces: Sequence[Piece], work: Callable[[Piece], Result], workers: Workers, tell: Callable[[int, int], None]
) -> Iterator[Result]:
    """What work on each piece gives, in their order; `tell` is told as above."""
    waiting = deque[tuple[Piece, Future[Result]]]()
    rest = iter(pieces)
    size, done = sum(one.size for one in pieces), 0
    tell(done, size)
    while True:
        while len(waiting) <= workers.ahead and (one := next(rest, None)) is not None:
            waiting.append((one, workers.submit(work, one)))
        if not waiting:
            return
        piece, future = waiting.popleft()
        yield future.result()
        done += piece.size
        tell(done, size)


def _in_piece(key: int, piece: Piece) -> Answer:
    detector = detect.known(key)
    return Answer([match for events in piece.events() for match in detector.in_events(events)], 0, 0)


def _bound(time: int | None) -> Bound:
    return time is None, time or 0


def _place(match: Match) -> tuple[Bound, str, int]:
    return _bound(match.time), match.event_id, match.place
