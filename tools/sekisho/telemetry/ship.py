"""`sekisho ship`: what the collector has taken becomes events of the store.

A piece of the spool is read, put into the store, and only then counted as shipped; a segment is let go of when all of
it is. Whoever is killed in between ships a piece again, and the store knows its events already. While the store takes
one piece, the next is fetched, read and handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sekisho.core.files import write_atomic
from sekisho.telemetry import spooled
from sekisho.telemetry.spool import Listing, Name, Spool
from sekisho.telemetry.spooled import Batch
from sekisho.telemetry.store import Added, Taker

_PIECE = 16 * 1024 * 1024  # octets that are read at once: a segment


class Position(BaseModel):
    """From where the spool is not yet in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spool: str
    name: Name = f"{0:020d}.ndjson"
    offset: int = Field(default=0, ge=0)


class Shipped(NamedTuple):
    """What became of what was shipped so far, and how much of the spool is left, in octets."""

    new: int = 0
    known: int = 0
    rejected: int = 0
    left: int = 0


class Piece(NamedTuple):
    """A run of whole lines: where they begin and end, the last one's number, and what was read up to their end."""

    begin: Position
    end: Position
    last: int
    batch: Batch


class Shipper:
    """Ships from one spool into one store; `folder` is where its position is kept."""

    def __init__(self, spool: Spool, taker: Taker, zone: tzinfo, folder: Path) -> None:
        self._spool, self._taker, self._zone = spool, taker, zone
        self._path = folder / "ship.json"
        self._total = Shipped()

    def ship(self, tell: Callable[[Shipped], None]) -> Listing:
        """Ship all that is there now; what the spool said when it was asked.

        Raises:
            SekishoError: the spool cannot be read.
            Missing: the store cannot be written. What was told before is in the store.
        """
        listing = self._spool.listing()
        at = self._position(listing.spool)
        self._release(listing, at)
        reader, held = spooled.Reader(self._zone), list[Piece]()
        for piece, added in self._taken(self._pieces(listing, at, reader)):
            self._count(piece.batch, added, _left(listing, piece.end), tell)
            held = _held([*held, piece], piece.batch)
            at = held[0].begin if held else piece.end
            self._keep(at)
        late = reader.settle(listing.now)
        if late.events or late.rejects:
            self._count(late, self._taker.put(late.events, late.rejects), self._total.left, tell)
        if held:
            self._keep(at := still[0].begin if (still := _held(held, late)) else held[-1].end)
        self._release(listing, at)
        return listing

    def _taken(self, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, Added]]:
        """The pieces that the store has, in their order, and what became of each."""
        before: tuple[Piece, Callable[[], Added]] | None = None
        with ThreadPoolExecutor(1) as fetching:
            waiting = fetching.submit(next, pieces, None)
            while (piece := waiting.result()) is not None:
                waiting = fetching.submit(next, pieces, None)
                begun = piece, self._taker.begin(piece.batch.events, piece.batch.rejects)
                if before:
                    yield before[0], before[1]()
                before = begun
        if before:
            yield before[0], before[1]()

    def _pieces(self, listing: Listing, at: Position, reader: spooled.Reader) -> Iterator[Piece]:
        last = 0
        for segment in listing.segments:
            begin = at.offset if segment.name == at.name else 0
            while segment.name >= at.name and begin < segment.size:
                data = self._spool.read(segment.name, begin, _PIECE)
                if not data:  # the beginning of a line, which was never acknowledged
                    break
                lines, end = data.split(b"\n")[:-1], begin + len(data)
                last += len(lines)
                here = Position(spool=listing.spool, name=segment.name, offset=begin)
                yield Piece(here, here.model_copy(update={"offset": end}), last, reader.read(lines))
                begin = end

    def _count(self, batch: Batch, added: Added, left: int, tell: Callable[[Shipped], None]) -> None:
        now = self._total
        known = len(batch.events) + len(batch.rejects) - added.new - added.rejected
        self._total = Shipped(now.new + added.new, now.known + known, now.rejected + added.rejected, left)
        tell(self._total)

    def _release(self, listing: Listing, at: Position) -> None:
        done = [one for one in listing.segments if (one.name, one.size) <= (at.name, at.offset)]
        self._spool.release([one.name for one in done if not one.open])

    def _position(self, spool: str) -> Position:
        front = Position(spool=spool)  # nothing is lost by beginning there: the store knows what it has
        try:
            kept = Position.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return front
        return kept if kept.spool == spool else front

    def _keep(self, position: Position) -> None:
        write_atomic(self._path, position.model_dump_json())


def _held(pieces: Sequence[Piece], batch: Batch) -> list[Piece]:
    """Of these pieces the first that holds a line which must be read again, and all behind it."""
    done = pieces[-1].last - batch.held  # so many lines are done for good
    return [one for one in pieces if one.last > done]


def _left(listing: Listing, at: Position) -> int:
    ahead = [one.size for one in listing.segments if one.name > at.name]
    here = [one.size - at.offset for one in listing.segments if one.name == at.name]
    return sum(ahead) + max([0, *here])  # the open one has grown meanwhile
