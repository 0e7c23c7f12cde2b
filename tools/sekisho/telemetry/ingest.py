"""`sekisho ingest`: files that an analyst was handed become events of the store, each once, however often it is run.

A stream is cut into stretches of lines. What becomes of these is made ready in processes of their own; this one gives
it to the store, in its order. Nothing is known of a stretch until it is taken, so a run may be killed at any moment.
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
from typing import Generic, NamedTuple

from sekisho.core.clock import now
from sekisho.telemetry import identity, reading, stream, stretches
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.formats import evtx, whole
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.reading import Clock, Memory, Origin, OutOfOrder, Piece
from sekisho.telemetry.store import Added, Batch, Ready, Sink
from sekisho.telemetry.stream import Broken, Source
from sekisho.telemetry.stretches import Stretch
from sekisho.telemetry.workers import Workers

_RECORDS = 10_000  # of a file that has no lines, at once


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
    refused: int = 0  # by the server, for what they are; they lie among its dead letters


class Prepared(NamedTuple, Generic[Ready]):
    """A stretch, ready for the store: how many events and lines set aside it had, and how far into its file it goes."""

    ready: Ready
    size: int
    reached: int


def ingest(
    paths: Sequence[Path], sink: Sink[Ready], zone: tzinfo, tell: Callable[[Progress], None], workers: Workers
) -> Total:
    """Read every stream of the files into the store; what became of all that stood there.

    Raises:
        Missing: a file is not there, or the store cannot be written; what was told before is kept.
    """
    clock, total = Clock(zone, now()), Total()
    short_files = sink.short_files()
    before = 0
    for path in paths:
        size = 0
        for source in stream.sources(path):
            size = os.fstat(source.whole.fileno()).st_size
            for some in _prepared(source, sink, clock, short_files, workers):
                added = sink.take([done.ready for done in some], short_files)
                total = _sum(total, sum(done.size for done in some), added)
                tell(Progress(source.name, before + some[-1].reached, total))
        before += size
    return total


def prepare(
    batch: Batch[Ready], stretch: Stretch, origin: Origin, clock: Clock, memory: Memory | None = None
) -> Prepared[Ready] | None:
    """Make a stretch ready in an empty batch; None if only a `memory` of those before it can read it."""
    size = 0
    for block in stretch.blocks():
        try:
            if isinstance(block, Broken):
                size += _fill(batch, reading.known([reading.of_broken(block)], origin))
            else:
                size += _fill(batch, reading.of_block(block, memory, clock, origin))
        except OutOfOrder:
            return None
    return Prepared(batch.ready(), size, stretch.reached)


def _fill(batch: Batch[Ready], some: tuple[list[Event], list[Reject]]) -> int:
    events, rejects = some
    batch.add(events, rejects)
    return len(events) + len(rejects)


def _prepared(
    source: Source, sink: Sink[Ready], clock: Clock, short_files: dict[int, set[str]], workers: Workers
) -> Iterator[list[Prepared[Ready]]]:
    chunks = stream.Chunks(source.file)
    origin = Origin(source.name, fingerprint(chunks.head, short_files))
    if chunks.head.startswith(evtx.MAGIC):
        yield from _numbered(evtx.records(chunks.head, source.file), origin, source.whole, sink)
        return
    if whole.is_one(chunks.head):
        yield from _numbered(whole.records(chunks.head, source.file, clock.zone), origin, source.whole, sink)
        return
    memory = Memory()

    def ready() -> Iterator[Prepared[Ready]]:
        """The first that is waited for, and with it those behind it that are done too: one commit is for all."""
        first = True
        while waiting and (first or waiting[0][1].done()):
            stretch, future = waiting.popleft()
            if (done := future.result() or prepare(sink.batch(), stretch, origin, clock, memory)) is not None:
                yield done
            first = False

    waiting: deque[tuple[Stretch, Future[Prepared[Ready] | None]]] = deque()
    for stretch in stretches.of(source, chunks, sink.largest):
        waiting.append((stretch, workers.submit(prepare, sink.batch(), stretch, origin, clock)))
        if len(waiting) > workers.ahead:
            yield list(ready())
    while waiting:
        yield list(ready())
    batch = sink.batch()
    if size := _fill(batch, reading.known(memory.rest(), origin)):
        yield [Prepared(batch.ready(), size, source.whole.tell())]


def _numbered(
    records: Iterator[Found | NotARecord], origin: Origin, file: BufferedIOBase, sink: Sink[Ready]
) -> Iterator[list[Prepared[Ready]]]:
    """What stands in a file that has no lines."""
    numbered = enumerate(records)
    while some := list(islice(numbered, _RECORDS)):
        pieces = [
            Piece(number, one.source, one) if isinstance(one, Found) else Piece(number, one.raw, str(one))
            for number, one in some
        ]
        batch = sink.batch()
        size = _fill(batch, reading.known(pieces, origin))
        yield [Prepared(batch.ready(), size, file.tell())]


def _sum(total: Total, size: int, added: Added) -> Total:
    known = size - sum(added)
    return Total(
        total.new + added.new, total.known + known, total.rejected + added.rejected, total.refused + added.refused
    )


def fingerprint(head: bytes, short_files: dict[int, set[str]]) -> bytes:
    """By what the file is known; one that was short when it was first read is known by as much as it had then."""
    for length in sorted(short_files):
        if length <= len(head) and (digest := identity.fingerprint(head[:length])).hex() in short_files[length]:
            return digest
    digest = identity.fingerprint(head)
    if 0 < len(head) < stream.HEAD:
        short_files.setdefault(len(head), set()).add(digest.hex())
    return digest
