"""The collector's spool becomes events: the same lines give the same events, wherever reading begins again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import NamedTuple

from sekisho.telemetry import identity, reading
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.formats import spool
from sekisho.telemetry.formats.found import NotARecord
from sekisho.telemetry.formats.spool import Sent
from sekisho.telemetry.reading import Memory, Origin, Piece

_DAMAGED = Origin("spool", identity.fingerprint(b"spool"))  # where a line stood that is none of the collector's


class Batch(NamedTuple):
    """What some lines brought, and how much of what was read must be read again by whoever takes over.

    `held` counts lines, back from the last one that was read: records of a process start that is not complete stand
    among these. All before them is done for good, once these events are in the store.
    """

    events: list[Event]
    rejects: list[Reject]
    held: int


class Reader:
    """Reads a spool line by line, over all its segments in their order.

    A new reader that begins at the earliest line that was held, or anywhere before it, finds the same events with the
    same ids: those that it finds anew are there already.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._memory = Memory()
        self._read = 0

    def read(self, lines: Iterable[bytes]) -> Batch:
        """The events of whole lines, those of before included that are complete now."""
        events: list[Event] = []
        rejects: list[Reject] = []
        for line in lines:
            self._read += 1
            what = _sent(line.rstrip(b"\r\n"))
            if isinstance(what, Sent) and (event := reading.event_of(what, self._zone)):
                events.append(event)
            else:
                more, aside = reading.known(self._pieces(what), _DAMAGED)
                events += more
                rejects += aside
        return Batch(events, rejects, self._held())

    def settle(self, now: int) -> Batch:
        """The events that nothing more is expected for: some of their records did not come in time.

        To be asked for when there was nothing to read. The spool was read to its end at `now`, in microseconds since
        1970 (UTC), by the clock of the collector.
        """
        return Batch(*reading.known(self._memory.aged(now), _DAMAGED), self._held())

    def _pieces(self, what: Sent | Piece) -> Iterable[Piece]:
        return [what] if isinstance(what, Piece) else reading.of_sent(what, self._memory, self._zone, self._read)

    def _held(self) -> int:
        oldest = self._memory.joiner.oldest()
        return self._read - oldest.came.number + 1 if oldest and oldest.came else 0


def _sent(line: bytes) -> Sent | Piece:
    """What a peer sent; or the line itself, and why it is nothing of the kind."""
    try:
        return spool.read(line) or Piece(0, line, "not a line of the collector's")
    except NotARecord as error:
        return Piece(0, line, str(error))


def read(lines: Iterable[bytes], zone: tzinfo) -> Batch:
    """The events of lines that nothing comes before."""
    return Reader(zone).read(lines)
