"""`sekisho ingest`: files that an analyst was handed become events of the store, each once, however often it is run.

A stream is cut into blocks of lines. Blocks become parts in processes of their own; this one takes them into the store,
in their order. Nothing is known of a block until it is taken, so a run may be killed at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sekisho.core.clock import now
from sekisho.telemetry import identity, reading, stream
from sekisho.telemetry.embedded import part
from sekisho.telemetry.embedded.part import Written
from sekisho.telemetry.embedded.writer import Writer
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.formats import auditd, evtx
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.reading import Clock, Origin, Piece
from sekisho.telemetry.store import Added
from sekisho.telemetry.stream import Block, Broken, Source
from sekisho.telemetry.workers import Workers

_RECORDS = 10_000  # of an event log, at once


class Progress(NamedTuple):
    """What is told after each block: the stream, the octets of it that were read, and what became of all so far."""

    name: str
    octets: int
    total: Total


class Total(NamedTuple):
    """What became of everything that stood in the files."""

    new: int = 0
    known: int = 0
    rejected: int = 0


class Prepared(NamedTuple):
    """A block's parts, how many events and lines set aside it had, and how far into the stream it reached."""

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
    for path in paths:
        for source in stream.sources(path):
            for done in _prepared(source, writer.folder, clock, short_files, workers):
                added = writer.take(done.events, done.rejects, short_files)
                total = _sum(total, done.size, added)
                tell(Progress(source.name, done.reached, total))
    return total


def prepare(folder: Path, block: Block, origin: Origin, clock: Clock, audit: auditd.Reader | None = None) -> Prepared:
    """Make the parts of a block; done by a worker, for whom `audit` is a new one."""
    events, rejects = reading.known(reading.in_block(block, audit or auditd.Reader(), clock), origin)
    return _written(folder, events, rejects, block.offset + len(block.data))


def _prepared(
    source: Source, folder: Path, clock: Clock, short_files: dict[int, set[str]], workers: Workers
) -> Iterator[Prepared]:
    chunks = stream.Chunks(source.file)
    origin = Origin(source.name, fingerprint(chunks.head, short_files))
    if chunks.head.startswith(evtx.MAGIC):
        yield from _event_log(evtx.records(chunks.head, source.file), origin, folder)
        return
    audit = auditd.Reader()
    waiting: deque[Future[Prepared]] = deque()
    for block in stream.blocks(chunks):
        if isinstance(block, Broken):
            done = _written(folder, *reading.known([reading.of_broken(block)], origin), block.offset)
            waiting.append(_finished(done))
        elif auditd.MARK in block.data:  # which record of its event a line is, depends on those before it
            waiting.append(_finished(prepare(folder, block, origin, clock, audit)))
        else:
            waiting.append(workers.submit(prepare, folder, block, origin, clock))
        while len(waiting) > workers.ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _event_log(records: Iterator[Found | NotARecord], origin: Origin, folder: Path) -> Iterator[Prepared]:
    numbered = enumerate(records)
    while some := list(islice(numbered, _RECORDS)):
        pieces = [
            Piece(number, one.source, one) if isinstance(one, Found) else Piece(number, b"", str(one))
            for number, one in some
        ]
        yield _written(folder, *reading.known(pieces, origin), some[-1][0])


def _written(folder: Path, events: Sequence[Event], rejects: Sequence[Reject], reached: int) -> Prepared:
    return Prepared(
        part.of_events(folder, events), part.of_rejects(folder, rejects), len(events) + len(rejects), reached
    )


def _finished(done: Prepared) -> Future[Prepared]:
    future: Future[Prepared] = Future()
    future.set_result(done)
    return future


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
