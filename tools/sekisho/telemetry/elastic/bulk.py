"""Writing to Elasticsearch: batches by `create`, several on their way at once, each event answered for by the server.

Whatever is not surely a document's own fault is sent again, without end: a queue that is full, a disk, a block, a
server that is away, a password that is wrong. That an id is there already (409) is success: so a batch whose answer was
lost may be sent again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch, TransportError

from sekisho.core.clock import stamp
from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.telemetry.elastic import connection, document, letters, refusal, short_files
from sekisho.telemetry.elastic.document import Item
from sekisho.telemetry.elastic.letters import Letters
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.elastic.trouble import Trouble
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.store import Added

THREADS = 4
ITEMS = 500  # of a batch
_FEWEST = 50  # that are worth a request of their own
OCTETS = 5 * 1024 * 1024
_FIRST, _LAST = 0.25, 30.0  # seconds between two tries
_ASKED = {
    "filter_path": "errors,items.create.status,items.create.error.type,items.create.error.reason",
    "timeout": "30s",  # for a shard that is away; shorter than our own patience
}
_HEADERS = {
    "accept": "application/vnd.elasticsearch+json; compatible-with=8",
    "content-type": "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
}


class _Settled(NamedTuple):
    new: int = 0
    known: int = 0
    refused: int = 0


class Stopped(Exception):  # noqa: N818 - says what happened to the work
    """The command ends while a batch waits."""


class Batch(NamedTuple):
    """Events that were read, and what was set aside."""

    events: list[Event]
    rejects: list[Reject]

    def add(self, events: Sequence[Event], rejects: Sequence[Reject]) -> None:
        """Take some more."""
        self.events.extend(events)
        self.rejects.extend(rejects)

    def ready(self) -> Batch:
        """Itself: it needs nothing more."""
        return self


class Writer:
    """Takes events into Elasticsearch; made by `ElasticStore.writing`."""

    largest = 8 * 1024 * 1024  # several are in memory, as events

    def __init__(
        self, settings: Settings, client: Elasticsearch, largest: int, folder: Path, tell: Callable[[Both], None]
    ) -> None:
        self.refused = 0  # so far, for what they are: they lie among the dead letters
        self._settings, self._client, self._largest = settings, client, largest
        self._folder, self._letters, self._trouble = folder, Letters(folder), Trouble(tell)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, "bulk")
        self._room = threading.Semaphore(THREADS + 2)  # batches in memory

    def put(self, events: Sequence[Event], rejects: Sequence[Reject] = (), *, arrived: str | None = None) -> Added:
        """Take a batch; when this returns, the server has all of it durably, or a dead letter tells why not.

        What is there because the answer to a first try was lost, is not counted as new. `arrived` is now, unless the
        batch came to us at another time (RFC 3339).

        Raises:
            Missing: a dead letter cannot be written.
        """
        return self.begin(events, rejects, arrived=arrived)()

    def begin(
        self, events: Sequence[Event], rejects: Sequence[Reject] = (), *, arrived: str | None = None
    ) -> Callable[[], Added]:
        """Begin to `put` a batch: this returns when all of it is on its way, but for the last requests' answers."""
        arrived = arrived or stamp()
        taken = self._send_off((document.of_event(one, arrived) for one in events), len(events))
        aside = self._send_off((document.of_reject(one, arrived) for one in rejects), len(rejects))

        def end() -> Added:
            of_events, of_rejects = _sum(*(one.result() for one in taken)), _sum(*(one.result() for one in aside))
            refused = of_events.refused + of_rejects.refused
            self.refused += refused
            return Added(of_events.new, of_rejects.new, refused)

        return end

    def short_files(self) -> dict[int, set[str]]:
        """How short files began, by that length.

        Raises:
            BadInput: the file that says so is damaged.
        """
        return short_files.read(self._folder)

    def batch(self) -> Batch:
        """An empty one."""
        return Batch([], [])

    def take(self, some: Sequence[Batch], short: Mapping[int, Iterable[str]]) -> Added:
        """Take batches as `put` does.

        Raises:
            Missing: the state folder cannot be written.
        """
        # Kept before the events are: should they not follow, the file is known by what it began with all the same.
        short_files.keep(self._folder, short)
        added = [self.put(*one) for one in some]
        return Added(*(sum(counts) for counts in zip(Added(), *added, strict=True)))

    def replay(self) -> Added:
        """Send the dead letters again; what is refused again lies among them anew."""
        total = Added()
        for path in self._letters.files():
            added = self.put(*letters.split(self._letters.read(path)))
            total = Added(total.new + added.new, total.rejected + added.rejected)
            path.unlink()
        return total

    def close(self) -> None:
        """End the threads; a batch that waits is given up."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send_off(self, items: Iterable[Item], count: int) -> list[Future[_Settled]]:
        """Give the items to the threads; this waits while these have enough to do."""
        rounds = -(-count // (THREADS * ITEMS)) or 1
        size = max(_FEWEST, -(-count // (THREADS * rounds)))  # so that no thread is idle at the end
        sent: list[Future[_Settled]] = []
        for batch in _batches(items, size, min(OCTETS, self._largest)):
            self._room.acquire()
            sent.append(self._pool.submit(self._settle, batch))
            sent[-1].add_done_callback(lambda _: self._room.release())
        return sent

    def _settle(self, items: list[Item]) -> _Settled:
        """Send until each item is in the store or among the dead letters."""
        total, tries = _Settled(), 0
        if len(items) == 1 and len(items[0].lines) > self._largest:
            return self._dead([(items[0], f"{len(items[0].lines)} octets; the server takes {self._largest}")])
        while items:
            try:
                done, items = self._send(items)
                total = _sum(total, done)
                tries = 0 if done.new or done.known or done.refused else tries
            except (ApiError, TransportError) as error:
                if refusal.of_request(error):
                    return _sum(total, self._apart(items, connection.reason(error)))
                self._trouble.of(connection.reason(error))
                self._renew(error)
            if items:
                self._rest(tries)
                tries += 1
        self._trouble.over()
        return total

    def _send(self, items: list[Item]) -> tuple[_Settled, list[Item]]:
        """Send once; what is settled, and what has to be sent again."""
        body = b"".join(item.lines for item in items)
        answer: Any = self._client.perform_request("POST", "/_bulk", params=_ASKED, headers=_HEADERS, body=body).body
        answers = answer.get("items", ())
        if len(answers) != len(items):
            self._trouble.of(Both("応答が途中で切れた", "an answer was cut short"))
            return _Settled(), items
        if answer.get("errors") is False:
            return _Settled(new=len(items)), []
        new, known, again = 0, 0, []
        dead: list[tuple[Item, str]] = []
        for item, told in zip(items, answers, strict=True):
            status, fault = told["create"]["status"], told["create"].get("error", {})
            if status in {200, 201}:
                new += 1
            elif status == refusal.KNOWN:
                known += 1
            elif refusal.own(self._client, item.target, status, fault):
                dead.append((item, connection.of_fault(status, fault).en))
            else:
                again.append(item)
                self._trouble.of(connection.of_fault(status, fault))
        return _sum(_Settled(new, known), self._dead(dead)), again

    def _apart(self, items: list[Item], why: Both) -> _Settled:
        """A request that the server did not take as a whole: its halves, or its one document's end."""
        if len(items) == 1:
            return self._dead([(items[0], why.en)])
        half = len(items) // 2
        return _sum(self._settle(items[:half]), self._settle(items[half:]))

    def _dead(self, refused: Sequence[tuple[Item, str]]) -> _Settled:
        if refused:
            self._letters.keep([(item.what, why) for item, why in refused])
        return _Settled(refused=len(refused))

    def _renew(self, error: Exception) -> None:
        """After a refusal at the door, read the secret again: it may have been corrected."""
        if isinstance(error, ApiError) and error.meta.status in {401, 403}:
            try:
                self._client = connection.connect(self._settings, attempts=1)
            except SekishoError as unread:
                self._trouble.of(Both(unread.told_what("ja"), unread.told_what("en")))

    def _rest(self, tries: int) -> None:
        pause = min(_LAST, _FIRST * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311 - not to come all at once
        if self._stop.wait(pause):
            raise Stopped


def _batches(items: Iterable[Item], count: int, octets: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) >= count or size + len(item.lines) > octets):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.lines)
    if batch:
        yield batch


def _sum(*some: _Settled) -> _Settled:
    return _Settled(*map(sum, zip(_Settled(), *some, strict=True)))
