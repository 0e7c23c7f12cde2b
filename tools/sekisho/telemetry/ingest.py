"""`sekisho ingest`: files that an analyst was handed become events of the store, each once, however often it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from sekisho.telemetry import ecs, identity, record, stream
from sekisho.telemetry.embedded import Added, Writer
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.stream import Broken, Line, Source

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


def ingest(paths: Sequence[Path], writer: Writer, zone: ZoneInfo, tell: Tell) -> Added:
    """Read every stream of the files into the store; what became of their lines.

    `tell` hears, after each batch: the stream's name, the octets that were read of it, and what became of the batch.

    Raises:
        Missing: a file is not there, or the store cannot be written; what was told before is kept.
    """
    total = Added()
    known = {length: set(digests) for length, digests in writer.manifest.short_files.items()}
    for path in paths:
        for source in stream.sources(path):
            for batch, octets in _batches(source, zone, known):
                added = writer.add(batch.events, batch.rejects, known)
                total = Added(*(a + b for a, b in zip(total, added, strict=True)))
                tell(source.name, octets, added)
    return total


def _batches(source: Source, zone: ZoneInfo, known: dict[int, set[str]]) -> Iterator[tuple[_Batch, int]]:
    chunks = stream.Chunks(source.file)
    print_of = _fingerprint(chunks.head, known)
    batch, position = _Batch(), 0
    for found in stream.lines(chunks):
        _take(found, print_of, source.name, zone, batch)
        position = found.offset + len(found.data)
        if batch.full:
            yield batch, position
            batch = _Batch()
    yield batch, position


def _take(found: Line | Broken, print_of: bytes, name: str, zone: ZoneInfo, batch: _Batch) -> None:
    why = ""
    if isinstance(found, Line):
        try:
            content = record.parse(found.data)
            own = identity.own(content)
            key = identity.of_own(own) if own else identity.of_place(print_of, found.offset, found.data)
            batch.events.append(Event(key, record.time(content, zone), found.data, name, found.offset, ecs.of(content)))
            batch.octets += len(found.data)
        except record.NotARecord as error:
            why = str(error)
    else:
        why = found.why
    if why:
        key = identity.of_place(print_of, found.offset, found.data)
        batch.rejects.append(Reject(key, found.data, why, name, found.offset))
        batch.octets += len(found.data)


def _fingerprint(head: bytes, known: dict[int, set[str]]) -> bytes:
    """By what the file is known; one that was short when it was first read is known by as much as it had then."""
    for length in sorted(known):
        if length <= len(head) and (digest := identity.fingerprint(head[:length])).hex() in known[length]:
            return digest
    digest = identity.fingerprint(head)
    if 0 < len(head) < stream.HEAD:
        known.setdefault(len(head), set()).add(digest.hex())
    return digest
