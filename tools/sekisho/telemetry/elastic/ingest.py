"""`sekisho ingest` into Elasticsearch: a block is read and put before the next, and the server knows what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sekisho.core.clock import now
from sekisho.core.errors import BadInput
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.telemetry import reading, stream
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.formats import evtx
from sekisho.telemetry.formats.found import Found
from sekisho.telemetry.ingest import Progress, Total, fingerprint
from sekisho.telemetry.reading import Clock, Memory, Origin, Piece
from sekisho.telemetry.store import Taker
from sekisho.telemetry.stream import Broken, Source

_RECORDS = 10_000  # of an event log, at once
Part = tuple[list[Event], list[Reject]]


class ShortFiles(BaseModel):
    """How short files began, by that length, so that they are known when they have grown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    digests: dict[int, tuple[str, ...]] = {}


def ingest(paths: Sequence[Path], taker: Taker, folder: Path, zone: tzinfo, tell: Callable[[Progress], None]) -> Total:
    """Read every stream of the files into the store of the state in `folder`; what became of all that stood there.

    Raises:
        Missing: a file is not there; what was told before is kept.
    """
    clock, total, before = Clock(zone, now()), Total(), 0
    for path in paths:
        for source in stream.sources(path):
            for events, rejects in _parts(source, clock, folder):
                added = taker.put(events, rejects)
                known = len(events) + len(rejects) - added.new - added.rejected
                total = Total(total.new + added.new, total.known + known, total.rejected + added.rejected)
                tell(Progress(source.name, before + source.whole.tell(), total))
        before += path.stat().st_size
    return total


def _parts(source: Source, clock: Clock, folder: Path) -> Iterator[Part]:
    chunks = stream.Chunks(source.file)
    known = short_files(folder)
    digests = {length: set(some) for length, some in known.digests.items()}
    origin = Origin(source.name, fingerprint(chunks.head, digests))
    # Kept before the events are: should they not follow, the file is known by what it began with all the same.
    keep(folder, ShortFiles(digests={length: tuple(sorted(some)) for length, some in digests.items()}), known)
    if chunks.head.startswith(evtx.MAGIC):
        numbered = enumerate(evtx.records(chunks.head, source.file))
        while some := list(islice(numbered, _RECORDS)):
            yield reading.known([_piece(*one) for one in some], origin)
        return
    memory = Memory()
    for block in stream.blocks(chunks):
        pieces = [reading.of_broken(block)] if isinstance(block, Broken) else reading.in_block(block, memory, clock)
        yield reading.known(pieces, origin)
    yield reading.known(memory.rest(), origin)


def _piece(number: int, one: object) -> Piece:
    return Piece(number, one.source, one) if isinstance(one, Found) else Piece(number, b"", str(one))


def short_files(folder: Path) -> ShortFiles:
    """What is remembered in the state folder.

    Raises:
        BadInput: it is damaged.
    """
    path = folder / "short-files.json"
    try:
        return ShortFiles.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ShortFiles()
    except ValidationError as error:
        raise BadInput(
            Both(f"{path} が壊れている", f"{path} is damaged"), Both("控えから戻す", "restore it from the backup")
        ) from error


def keep(folder: Path, some: ShortFiles, before: ShortFiles) -> None:
    """Remember in the state folder, if it is another than before.

    Raises:
        Missing: it cannot be written.
    """
    if some != before:
        write_atomic(folder / "short-files.json", some.model_dump_json())
