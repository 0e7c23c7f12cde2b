"""`sekisho ship`: what the collector has taken becomes events of the store.

A piece of the spool is read, put into the store, and only then counted as shipped; a segment is let go of when all of
it is. Whoever is killed in between ships a piece again, and the store knows its events already. While one piece is put,
the next is fetched and read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sekisho.core.files import write_atomic
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.spool import Listing, Name, Segment, Spool
from sekisho.telemetry.store import Taker

_PIECE = 8 * 1024 * 1024  # octets that are read at once


class Read(NamedTuple):
    """What a piece of the spool holds."""

    events: Sequence[Event]
    rejects: Sequence[Reject]


class Reader(Protocol):
    """Reads whole lines of the spool, piece by piece, in their order."""

    def read(self, lines: bytes) -> Read:
        """The events of these lines; each has the same id whenever it is read."""


class Position(BaseModel):
    """How far the spool is in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = f"{0:020d}.ndjson"
    offset: int = Field(default=0, ge=0)


class Shipped(NamedTuple):
    """What became of what was shipped so far, and how much of the spool is left, in octets."""

    new: int = 0
    known: int = 0
    rejected: int = 0
    left: int = 0


class Shipper:
    """Ships from one spool into one store; `folder` is where its position is kept."""

    def __init__(self, spool: Spool, taker: Taker, reader: Reader, folder: Path) -> None:
        self._spool, self._taker, self._reader = spool, taker, reader
        self._path = folder / "ship.json"
        self._total = Shipped()

    def ship(self, tell: Callable[[Shipped], None]) -> Listing:
        """Ship all that is there now; what the spool said when it was asked.

        Raises:
            SekishoError: the spool cannot be read.
            Missing: the store cannot be written. What was told before is in the store.
        """
        listing, at = self._spool.listing(), self._position()
        ahead = [one for one in listing.segments if one.name >= at.name]
        for segment in listing.segments:
            if segment.name < at.name:  # killed before it let go of it
                self._spool.release(segment.name)
        left = sum(one.size for one in ahead) - (at.offset if ahead and ahead[0].name == at.name else 0)
        with ThreadPoolExecutor(1) as fetching:
            pieces = self._pieces(ahead, at)
            waiting = fetching.submit(next, pieces, None)
            while (piece := waiting.result()) is not None:
                segment, begin, end, read = piece
                waiting = fetching.submit(next, pieces, None)
                added = self._taker.put(read.events, read.rejects)
                self._keep(Position(name=segment.name, offset=end))
                if not segment.open and end == segment.size:
                    self._spool.release(segment.name)
                left -= end - begin
                known = len(read.events) + len(read.rejects) - added.new - added.rejected
                now = self._total
                self._total = Shipped(now.new + added.new, now.known + known, now.rejected + added.rejected, left)
                tell(self._total)
        return listing

    def _pieces(self, segments: Sequence[Segment], at: Position) -> Iterator[tuple[Segment, int, int, Read]]:
        for segment in segments:
            begin = at.offset if segment.name == at.name else 0
            while begin < segment.size:
                lines = self._spool.read(segment.name, begin, _PIECE)
                if not lines:  # the beginning of a line, which was never acknowledged
                    if not segment.open:
                        yield segment, begin, segment.size, Read((), ())
                    break
                yield segment, begin, begin + len(lines), self._reader.read(lines)
                begin += len(lines)

    def _position(self) -> Position:
        try:
            return Position.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Position()
        except ValidationError:  # nothing is lost by starting from the front: the store knows what it has
            return Position()

    def _keep(self, position: Position) -> None:
        write_atomic(self._path, position.model_dump_json())
