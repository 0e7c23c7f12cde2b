"""`sekisho ingest`: files that an analyst was handed become events of the store, each once, however often it is run.

A stream is cut into blocks of lines. Blocks become parts in processes of their own; this one takes them into the store,
in their order. Nothing is known of a block until it is taken, so a run may be killed at any moment.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import tzinfo
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sekisho.core.clock import now
from sekisho.telemetry import identity, reading, stream, stretches
from sekisho.telemetry.embedded import part
from sekisho.telemetry.embedded.part import Written
from sekisho.telemetry.embedded.writer import Writer
from sekisho.telemetry.event import Reject
from sekisho.telemetry.formats import evtx
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.reading import Clock, Memory, Origin, OutOfOrder, Piece
from sekisho.telemetry.store import Added
from sekisho.telemetry.stream import Broken, Source
from sekisho.telemetry.stretches import Stretch
from sekisho.telemetry.workers import Workers

_RECORDS = 10_000  # of an event log, at once


class Progress(NamedTuple):
    """What is told now and then: the stream, the octets of all files on the disk so far, and what became of them."""

    name: str
    octets: int
    total: Total


class Total(NamedTuple):
    """What became of everything that stood in the files."""

    new: int = 0
    known: int = 0
    rejected: int = 0


class Prepared(NamedTuple):
    """A stretch's parts, how many events and lines set aside it had, and how far into its file it reached."""

    events: list[Written]
    rejects: list[Written]
    size: int
    reached: int


def ingest(
    paths: Sequence[Path], writer: Writer, zone: tzinfo, tell: Callable[[Progress], None], workers: Workers
) -> Total:
    """Read every stream of the files into the store; what became of all that stood there.

    Raises:
        Missing: a file is not there, or the store cannot be written; what was told before is kept.
    """
    clock, total = Clock(zone, now()), Total()
    short_files = {length: set(digests) for length, digests in writer.manifest.short_files.items()}
    before = 0
    for path in paths:
        size = 0
        for source in stream.sources(path):
            size = os.fstat(source.whole.fileno()).st_size
            for some in _prepared(source, writer.folder, clock, short_files, workers):
                events = [one for done in some for one in done.events]
                added = writer.take(events, [one for done in some for one in done.rejects], short_files)
                total = _sum(total, sum(done.size for done in some), added)
                tell(Progress(source.name, before + some[-1].reached, total))
        before += size
    return total


def prepare(
    folder: Path, stretch: Stretch, origin: Origin, clock: Clock, memory: Memory | None = None
) -> Prepared | None:
    """Make the parts of a stretch; None if only a `memory` of those before it can read it."""
    days, rejects, size = part.Days(), list[Reject](), 0
    for block in stretch.blocks():
        pieces = [reading.of_broken(block)] if isinstance(block, Broken) else reading.in_block(block, memory, clock)
        try:
            events, more = reading.known(pieces, origin)
        except OutOfOrder:
            return None
        days.add(events)
        rejects += more
        size += len(events) + len(more)
    return Prepared(days.write(folder), part.of_rejects(folder, rejects), size, stretch.reached)


def _prepared(
    source: Source, folder: Path, clock: Clock, short_files: dict[int, set[str]], workers: Workers
) -> Iterator[list[Prepared]]:
    chunks = stream.Chunks(source.file)
    origin = Origin(source.name, fingerprint(chunks.head, short_files))
    if chunks.head.startswith(evtx.MAGIC):
        yield from _event_log(evtx.records(chunks.head, source.file), origin, source.whole, folder)
        return
    memory = Memory()

    def ready() -> Iterator[Prepared]:
        """The first that is waited for, and with it those behind it that are done too: one commit is for all."""
        first = True
        while waiting and (first or waiting[0][1].done()):
            stretch, future = waiting.popleft()
            if (done := future.result() or prepare(folder, stretch, origin, clock, memory)) is not None:
                yield done
            first = False

    waiting: deque[tuple[Stretch, Future[Prepared | None]]] = deque()
    for stretch in stretches.of(source, chunks):
        waiting.append((stretch, workers.submit(prepare, folder, stretch, origin, clock)))
        if len(waiting) > workers.ahead:
            yield list(ready())
    while waiting:
        yield list(ready())
    if rest := reading.known(memory.rest(), origin)[0]:
        yield [Prepared(part.of_events(folder, rest), [], len(rest), source.whole.tell())]


def _event_log(
    records: Iterator[Found | NotARecord], origin: Origin, whole: BufferedIOBase, folder: Path
) -> Iterator[list[Prepared]]:
    numbered = enumerate(records)
    while some := list(islice(numbered, _RECORDS)):
        pieces = [
            Piece(number, one.source, one) if isinstance(one, Found) else Piece(number, b"", str(one))
            for number, one in some
        ]
        events, rejects = reading.known(pieces, origin)
        size = len(events) + len(rejects)
        yield [Prepared(part.of_events(folder, events), part.of_rejects(folder, rejects), size, whole.tell())]


def _sum(total: Total, size: int, added: Added) -> Total:
    known = size - added.new - added.rejected
    return Total(total.new + added.new, total.known + known, total.rejected + added.rejected)


def fingerprint(head: bytes, short_files: dict[int, set[str]]) -> bytes:
    """By what the file is known; one that was short when it was first read is known by as much as it had then."""
    for length in sorted(short_files):
        if length <= len(head) and (digest := identity.fingerprint(head[:length])).hex() in short_files[length]:
            return digest
    digest = identity.fingerprint(head)
    if 0 < len(head) < stream.HEAD:
        short_files.setdefault(len(head), set()).add(digest.hex())
    return digest
