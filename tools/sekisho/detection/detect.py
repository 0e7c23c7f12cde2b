"""`sekisho detect` over files: every record that stands in them, against every rule that is for it.

Streams are cut into stretches, which processes of their own read side by side; what they find comes back in the order
of the files. Nothing is remembered from one stretch to the next but what belongs together in an audit log, so the
answer does not depend on how many work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import tzinfo
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sekisho.core.clock import now
from sekisho.detection.matching.alert import Match
from sekisho.detection.matching.engine import Engine, Hit
from sekisho.detection.records.record import Record
from sekisho.detection.scan.scanner import Scanner, Suspects
from sekisho.telemetry import identity, reading, stream, stretches
from sekisho.telemetry.event import Event
from sekisho.telemetry.formats import evtx, whole
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.reading import Clock, Memory, Origin, OutOfOrder, Piece
from sekisho.telemetry.stream import Block, Broken, Chunks, Source
from sekisho.telemetry.stretches import Stretch
from sekisho.telemetry.workers import Workers

# Records with any of these are read in full: they may be more than one event, or belong together with others.
ASIDE = (b'"__CURSOR"', b'{"at":')


_LARGEST = 32 * 1024 * 1024  # octets of a file that one process reads at a time


class Answer(NamedTuple):
    """What a stretch had: its matches, with lines counted from its own first; its lines, and those that were unread."""

    matches: list[Match]
    lines: int
    unread: int


class Detector:
    """An engine, and what of an event correlations need to know. Made before the processes that are to use it."""

    def __init__(
        self, engine: Engine, facts: Mapping[str, Sequence[str]] | None = None, scanner: Scanner | None = None
    ) -> None:
        """`facts` has by rule the fields that correlations ask for; `scanner` was made with `ASIDE`."""
        self.engine = engine
        self.scanner = scanner
        self.facts = facts or {}
        self.key = len(_detectors)  # by it the processes find theirs: to send it with each stretch would take longer
        _detectors[self.key] = self

    def in_files(self, paths: Sequence[Path], zone: tzinfo, workers: Workers) -> Iterator[Answer]:
        """What the files have, stretch by stretch in their order.

        Raises:
            Missing: a file is not there, or cannot be read.
            BadInput: a zip that cannot be read.
        """
        clock = Clock(zone, now())
        for path in paths:
            for source in stream.sources(path):
                yield from self._in_source(source, clock, workers)

    def in_stretch(self, stretch: Stretch, origin: Origin, clock: Clock, memory: Memory | None = None) -> Answer | None:
        """What a stretch has; None if only a `memory` of those before it can read it."""
        matches, lines, unread = list[Match](), 0, 0
        suspected: list[tuple[tuple[int, ...], int, Block]] = []
        for block in stretch.blocks():
            if isinstance(block, Broken):
                unread += 1
                lines += block.is_line
                continue
            rows = stream.rows(block.data)
            told: Iterable[tuple[int, Suspects]] = ((number, None) for number in range(len(rows)))
            if self.scanner is not None:
                told = self.scanner.suspects(rows)
            offset, before = block.offset, 0
            try:
                for number, suspects in told:
                    offset += sum(map(len, rows[before:number])) + number - before
                    before, row = number, Block(offset, bytes(rows[number]))
                    if suspects is not None:
                        suspected.append((suspects, lines + number + 1, row))
                        continue
                    for piece in reading.in_block(row, memory, clock) if row.data else ():
                        unread += isinstance(piece.what, str)
                        matches += self.in_piece(piece, origin, lines + number + 1)
            except OutOfOrder:
                return None
            lines += len(rows) - 1
        # Those of the same rules together, so that what these need is in the processor's cache.
        for suspects, number, row in sorted(suspected, key=itemgetter(0)):
            found = self._in_json(row, suspects, clock, origin)
            unread += found is None
            matches += (self.match(*one, origin.name, number) for one in found or ())
        return Answer(sorted(matches, key=attrgetter("record")), lines, unread)

    def _in_json(
        self, row: Block, suspects: Sequence[int], clock: Clock, origin: Origin
    ) -> Iterable[tuple[Hit, Event]] | None:
        """What matches in a line that is one record by itself; None if it is no JSON. Most match nothing."""
        try:
            record = orjson.loads(row.data)
        except orjson.JSONDecodeError:
            return None
        hits = list(self.engine.hits(Record(record), suspects))
        if not hits:
            return ()
        event = reading.known([reading.of_record(row, record, clock)], origin)[0][0]
        return [(hit, event) for hit in hits]

    def in_piece(self, piece: Piece, origin: Origin, number: int) -> Iterator[Match]:
        """The matches of one record, which stands in the line or has the number `number`."""
        if not isinstance(piece.what, Found):
            return
        event = None
        for hit in self.engine.hits(Record(piece.what.record)):
            event = event or reading.known([piece], origin)[0][0]
            yield self.match(hit, event, origin.name, number)

    def match(self, hit: Hit, event: Event, file: str, number: int) -> Match:
        """A hit, told so that it stands for itself."""
        return Match(
            hit.place,
            event.id.hex(),
            event.time,
            event.ecs.host__name,
            event.ecs.user__name,
            file,
            number,
            self.engine.matched(hit),
            {field: hit.record.values(field) for field in self.facts.get(self.engine.rule(hit).id, ())},
        )

    def in_events(self, events: Sequence[Event]) -> Iterator[Match]:
        """The matches of events of a store, each told by its place in the file that it came from."""
        told: Iterable[tuple[int, Suspects]] = ((number, None) for number in range(len(events)))
        if self.scanner is not None:
            told = self.scanner.suspects([event.source for event in events])
        for number, suspects in told:
            event = events[number]
            for hit in self.engine.hits(Record(orjson.loads(event.source)), suspects):
                yield self.match(hit, event, event.file, event.offset)

    def _in_source(self, source: Source, clock: Clock, workers: Workers) -> Iterator[Answer]:
        chunks = stream.Chunks(source.file)
        origin = Origin(source.name, identity.fingerprint(chunks.head))
        if chunks.head.startswith(evtx.MAGIC):
            yield from self._numbered(evtx.records(chunks.head, source.file), origin)
        elif whole.is_one(chunks.head):
            yield from self._numbered(whole.records(chunks.head, source.file, clock.zone), origin)
        else:
            yield from self._in_lines(source, chunks, origin, clock, workers)

    def _in_lines(
        self, source: Source, chunks: Chunks, origin: Origin, clock: Clock, workers: Workers
    ) -> Iterator[Answer]:
        memory, before = Memory(), 0
        waiting: deque[tuple[Stretch, Future[Answer | None]]] = deque()
        some = stretches.of(source, chunks, _LARGEST)
        while True:
            while len(waiting) <= workers.ahead and (stretch := next(some, None)) is not None:
                waiting.append((stretch, workers.submit(_in_stretch, self.key, stretch, origin, clock)))
            if not waiting:
                break
            stretch, future = waiting.popleft()
            answer = future.result() or self.in_stretch(stretch, origin, clock, memory)
            if answer is None:  # with a memory there is an answer
                raise OutOfOrder
            yield answer._replace(matches=[one._replace(record=one.record + before) for one in answer.matches])
            before += answer.lines
        rest = list(memory.rest())
        yield Answer([match for one in rest for match in self.in_piece(one, origin, before)], 0, 0)

    def _numbered(self, records: Iterable[Found | NotARecord], origin: Origin) -> Iterator[Answer]:
        """What stands in a file that has no lines: an event log has numbers of its own, others are counted."""
        for count, found in enumerate(records):
            if isinstance(found, NotARecord):
                yield Answer([], 0, 1)
            else:
                own = _record_number(found.record)
                piece = Piece(count, found.source, found)
                yield Answer(list(self.in_piece(piece, origin, count + 1 if own is None else own)), 0, 0)


_detectors: dict[int, Detector] = {}


def known(key: int) -> Detector:
    """The detector that has this key, in this process or in one that was made after it."""
    return _detectors[key]


def _in_stretch(key: int, stretch: Stretch, origin: Origin, clock: Clock) -> Answer | None:
    return _detectors[key].in_stretch(stretch, origin, clock)


def _record_number(record: Mapping[str, Any]) -> int | None:
    event = record.get("Event")
    system = event.get("System") if isinstance(event, dict) else None
    number = system.get("EventRecordID") if isinstance(system, dict) else None
    return number if type(number) is int else None
