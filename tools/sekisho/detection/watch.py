"""`sekisho watch`: rules over what arrives in the store, in the order in which it arrives.

A round asks the store what is new, has it judged, and keeps the alerts; then correlations are judged that have waited
long enough. An alert is told when it is kept, durably.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from sekisho.core.clock import stamp
from sekisho.detection import detect
from sekisho.detection.alerts.ledger import Alert, Ledger
from sekisho.detection.alerts.waiting import Waiting
from sekisho.detection.detect import Detector
from sekisho.detection.matching import alert, correlate
from sekisho.detection.matching.alert import Correlated, Match
from sekisho.telemetry.arrivals import Gone, News, Source
from sekisho.telemetry.workers import Workers

Told = dict[str, Any]
_Judged = tuple[list[Match], int]  # what matched, and of how many events
_SKIPPED = "skipped"  # in place of a store's name, with the time of it


def present() -> int:
    """The present in microseconds since 1970 (UTC)."""
    return time.time_ns() // 1000


class Watch:
    """Watches one store, whose name is how its position is kept. `lateness` and the clock count microseconds."""

    def __init__(
        self,
        detector: Detector,
        source: tuple[str, Source],
        ledger: Ledger,
        lateness: int,
        workers: Workers,
        clock: Callable[[], int] = present,
    ) -> None:
        self.behind = True  # whether there was more when the last round ended
        self._detector, self._ruleset = detector, detector.engine.ruleset
        self._name, self._source = source
        self._ledger, self._workers, self._clock = ledger, workers, clock
        self._waiting = Waiting(self._ruleset, lateness)

    def skip(self) -> None:
        """Take what is there by now as read; but where anything was ever read, go on from there: it may be a restart.

        Raises:
            SekishoError: the store cannot be read, or the ledger cannot be written.
        """
        if self._ledger.blank():
            after = self._source.beyond({}).after
            with self._ledger.transaction():
                self._ledger.reached(self._name, after)
                self._ledger.reached(_SKIPPED, {"": self._clock()})  # a store that is still empty has no position

    def round(self, tell: Callable[[int], None] = lambda _: None) -> Iterator[Told]:
        """Judge what has arrived; the alerts that are new, as programs read them, each when it is durable.

        `tell` is told now and then how many events were judged.

        Raises:
            SekishoError: the store cannot be read, or the ledger cannot be written.
        """
        self.behind, begun = True, self._clock()
        before = self._ledger.position(self._name)
        arrivals = self._source.beyond(before)
        arrived = self._clock()
        try:
            for piece, (matches, count) in self._matched(arrivals.pieces):
                yield from self._keep(piece, matches, arrived)
                tell(count)
        except Gone:
            return
        with self._ledger.transaction() as db:
            if before != arrivals.after:
                self._ledger.leave(self._name)
                self._ledger.reached(self._name, arrivals.after)
            runs = self._waiting.judged(db, begun, arrived)
            new = self._ledger.keep([self._of_run(run) for run in runs if run.rule.id not in self._ruleset.silent])
            behind = self._waiting.due(db, arrived)
        self.behind = behind
        yield from new

    def _matched(self, pieces: Iterable[News]) -> Iterator[tuple[News, _Judged]]:
        """Pieces in their order, and what matched in each."""
        waiting = deque[tuple[News, Future[_Judged]]]()
        rest = iter(pieces)
        while True:
            while len(waiting) <= self._workers.ahead and (piece := next(rest, None)) is not None:
                waiting.append((piece, self._workers.submit(_judge, self._detector.key, piece)))
            if not waiting:
                return
            piece, future = waiting.popleft()
            yield piece, future.result()

    def _keep(self, piece: News, matches: Iterable[Match], arrived: int) -> list[Told]:
        """Keep what matched in a piece, and that it was read."""
        rules, found = self._ruleset.rules, list[Alert]()
        with self._ledger.transaction() as db:
            for match in matches:
                rule = rules[match.place]
                self._waiting.hold(db, rule.id, match, arrived)
                if rule.id not in self._ruleset.silent:
                    told = alert.as_json(rule, match)
                    found.append(_kept(alert.identity(rule, match), match.time, told))
            new = self._ledger.keep(found)
            self._ledger.reached(self._name, piece.done)
        return new

    def _of_run(self, run: Correlated) -> Alert:
        return _kept(correlate.identity(run), run.time, alert.correlated_as_json(run))


def _judge(key: int, piece: News) -> _Judged:
    detector, matches, count = detect.known(key), list[Match](), 0
    for events in piece.events():
        matches += detector.in_events(events)
        count += len(events)
    return matches, count


def _kept(key: str, when: int | None, told: Told) -> Alert:
    return Alert(key, told["level"], when, {"alert_id": key, "raised": stamp(), **told})
