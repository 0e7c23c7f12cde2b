"""A stream becomes events, in its own order: the format is told by what stands there, not by the file's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import NamedTuple

from sekisho.telemetry import ecs, identity
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.formats import auditd, json_lines, syslog
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.stream import Block, Broken, lines

_BRACE = ord("{")  # nearly all lines begin so


class Clock(NamedTuple):
    """What stands in for what a line does not say: the zone of its time, and when it came here."""

    zone: tzinfo
    arrived: datetime


class Origin(NamedTuple):
    """The stream that something stood in: its name for people, and how it is known."""

    name: str
    fingerprint: bytes


class Piece(NamedTuple):
    """What stood at an offset: as it stood, and the record that it is, or why it is none."""

    offset: int
    raw: bytes
    what: Found | str


class OutOfOrder(Exception):  # noqa: N818 - says what happened
    """A line can be read only by who has read those before it."""


def in_block(block: Block, audit: auditd.Reader | None, clock: Clock) -> Iterator[Piece]:
    """All of a block of lines; what cannot be read has its place among the rest.

    Raises:
        OutOfOrder: there is an audit record, and no reader that has seen those before it.
    """
    for line in lines(block):
        if isinstance(line, Broken):
            yield of_broken(line)
            continue
        offset, data = line
        try:
            found: Found | str = json_lines.read(data, clock.zone) if data[0] == _BRACE else _read(data, audit, clock)
        except NotARecord as error:
            found = str(error)
        yield Piece(offset, data, found)


def of_broken(broken: Broken) -> Piece:
    """What is no line, as a piece."""
    return Piece(broken.offset, broken.data, broken.why)


def known(pieces: Iterable[Piece], origin: Origin) -> tuple[list[Event], list[Reject]]:
    """The events and rejects of pieces, each with its id."""
    events: list[Event] = []
    rejects: list[Reject] = []
    for offset, raw, found in pieces:
        if isinstance(found, str):
            key = identity.of_place(origin.fingerprint, offset, raw)
            rejects.append(Reject(key, raw, found, origin.name, offset))
        else:
            record, source, time, own = found
            key = identity.of_own(own) if own else identity.of_place(origin.fingerprint, offset, raw)
            events.append(Event(key, time, source, origin.name, offset, ecs.of(record)))
    return events, rejects


def _read(line: bytes, audit: auditd.Reader | None, clock: Clock) -> Found:
    if line.lstrip().startswith((b"{", b"[")):
        return json_lines.read(line, clock.zone)
    if auditd.is_one(line):
        if audit is None:
            raise OutOfOrder
        return audit.read(line)
    return syslog.read(line, clock.zone, clock.arrived)
