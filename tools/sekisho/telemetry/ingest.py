"""`sekisho ingest`: files that an analyst was handed become events of the store, each once, however often it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from sekisho.core.clock import now
from sekisho.telemetry import ecs, identity, stream
from sekisho.telemetry.embedded import Added, Writer
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.reading import Clock, Piece, pieces
from sekisho.telemetry.stream import Source

_BATCH = 32 * 1024  # events, and octets of them: what is held in memory
_BATCH_OCTETS = 64 * 1024 * 1024

Tell = Callable[[str, int, Added], None]


@dataclass
class _Batch:
    events: list[Event] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    octets: int = 0

    @property
    def full(self) -> bool:
        return len(self.events) + len(self.rejects) >= _BATCH or self.octets >= _BATCH_OCTETS


def ingest(paths: Sequence[Path], writer: Writer, zone: tzinfo, tell: Tell) -> Added:
    """Read every stream of the files into the store; what became of their lines.

    `tell` hears, after each batch: the stream's name, the octets that were read of it, and what became of the batch.

    Raises:
        Missing: a file is not there, or the store cannot be written; what was told before is kept.
    """
    total, clock = Added(), Clock(zone, now())
    known = {length: set(digests) for length, digests in writer.manifest.short_files.items()}
    for path in paths:
        for source in stream.sources(path):
            for batch, octets in _batches(source, clock, known):
                added = writer.add(batch.events, batch.rejects, known)
                total = Added(*(a + b for a, b in zip(total, added, strict=True)))
                tell(source.name, octets, added)
    return total


def _batches(source: Source, clock: Clock, known: dict[int, set[str]]) -> Iterator[tuple[_Batch, int]]:
    chunks = stream.Chunks(source.file)
    print_of = _fingerprint(chunks.head, known)
    batch, position = _Batch(), 0
    for piece in pieces(source, chunks, clock):
        _take(piece, print_of, source.name, batch)
        position += len(piece.raw)
        if batch.full:
            yield batch, position
            batch = _Batch()
    yield batch, position


def _take(piece: Piece, print_of: bytes, name: str, batch: _Batch) -> None:
    found = piece.what
    if isinstance(found, str):
        key = identity.of_place(print_of, piece.offset, piece.raw)
        batch.rejects.append(Reject(key, piece.raw, found, name, piece.offset))
    else:
        key = identity.of_own(found.own) if found.own else identity.of_place(print_of, piece.offset, piece.raw)
        batch.events.append(Event(key, found.time, found.source, name, piece.offset, ecs.of(found.record)))
    batch.octets += len(piece.raw)


def _fingerprint(head: bytes, known: dict[int, set[str]]) -> bytes:
    """By what the file is known; one that was short when it was first read is known by as much as it had then."""
    for length in sorted(known):
        if length <= len(head) and (digest := identity.fingerprint(head[:length])).hex() in known[length]:
            return digest
    digest = identity.fingerprint(head)
    if 0 < len(head) < stream.HEAD:
        known.setdefault(len(head), set()).add(digest.hex())
    return digest
