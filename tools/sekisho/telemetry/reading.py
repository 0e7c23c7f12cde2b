"""A stream becomes events, in its own order: the format is told by what stands there, not by the file's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from sekisho.telemetry import ecs, identity, shape
from sekisho.telemetry.event import Event, Reject, moment
from sekisho.telemetry.formats import auditd, journal, json_lines, spool, syslog
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.formats.joined import Joined, Joiner
from sekisho.telemetry.formats.spool import Sent
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


class Came(NamedTuple):
    """From which peer a line of the spool came, when it arrived (microseconds), and which of those read it is."""

    peer: str
    at: int
    number: int


class Piece(NamedTuple):
    """What stood at an offset: as it stood, and the record that it is, or why it is none.

    `origin` and `came` are set for what a peer sent: it stood in a file of the peer's.
    """

    offset: int
    raw: bytes
    what: Found | str
    origin: Origin | None = None
    came: Came | None = None


class OutOfOrder(Exception):  # noqa: N818 - says what happened
    """A line can be read only by who has read those before it."""


class Memory:
    """What the later lines of a stream need to know of the earlier ones: records of the audit log belong together."""

    def __init__(self) -> None:
        self.numbers = auditd.Reader()
        self.joiner: Joiner[Piece] = Joiner()

    def rest(self) -> Iterator[Piece]:
        """What the end of the stream leaves."""
        return map(_of_joined, self.joiner.rest())

    def aged(self, at: int) -> Iterator[Piece]:
        """What is not waited for any longer at this time, in microseconds since 1970 (UTC)."""
        return map(_of_joined, self.joiner.aged(at))


def in_block(block: Block, memory: Memory | None, clock: Clock) -> Iterator[Piece]:
    """All of a block of lines; what cannot be read has its place among the rest.

    Raises:
        OutOfOrder: there is an audit record, and no memory of those before it.
    """
    for line in lines(block):
        yield from [of_broken(line)] if isinstance(line, Broken) else _of_line(*line, _record(line.data), memory, clock)


def of_block(block: Block, memory: Memory | None, clock: Clock, origin: Origin) -> tuple[list[Event], list[Reject]]:
    """What is `known` of all that is `in_block`, sooner: records of one level take a shorter way.

    Raises:
        OutOfOrder: there is an audit record, and no memory of those before it.
    """
    events: list[Event] = []
    rejects: list[Reject] = []
    zone, (name, fingerprint) = clock.zone, origin
    for line in lines(block):
        if isinstance(line, Broken):
            rejects += known([of_broken(line)], origin)[1]
            continue
        offset, data = line
        record = _record(data)
        if record is not None and len(data) <= shape.LONGEST and (known_shape := shape.of(tuple(record))):
            events.append(shape.event(known_shape, record, data, zone, name, fingerprint, offset))
        else:
            more, aside = known(_of_line(offset, data, record, memory, clock), origin)
            events += more
            rejects += aside
    return events, rejects


def of_record(line: Block, record: dict[str, Any], clock: Clock) -> Piece:
    """A line that is one record by itself, of no collector's and no journal's, as a piece; `record` is its JSON."""
    data = line.data.rstrip(b"\r")
    return Piece(line.offset, data, json_lines.of_record(record, data, clock.zone))


def of_broken(broken: Broken) -> Piece:
    """What is no line, as a piece."""
    return Piece(broken.offset, broken.data, broken.why)


def of_sent(sent: Sent, memory: Memory | None, zone: tzinfo, number: int = 0) -> Iterator[Piece]:
    """What a peer sent, at its place in the peer's file; `number` is that of its line in the spool."""
    if sent.data:
        origin, came = _sender(sent.peer, sent.file), Came(sent.peer, sent.at, number)
        place = Piece(sent.offset, sent.raw, "", origin, came)
        yield from _read(place, sent.data, memory, Clock(zone, moment(sent.at)))


def event_of(sent: Sent, zone: tzinfo) -> Event | None:
    """The one event of what a peer sent, sooner than by `of_sent`; None if there may be another number of them."""
    record = _record(sent.data) if sent.data else None
    if record is None or journal.MARK in record:
        return None
    name, fingerprint = _sender(sent.peer, sent.file)
    plain = sent.raw is sent.data and len(sent.raw) <= shape.LONGEST
    if plain and (known_shape := shape.of(tuple(record))):
        return shape.event(known_shape, record, sent.raw, zone, name, fingerprint, sent.offset, sent.peer, sent.at)
    _, text, time, own = json_lines.of_record(record, sent.data, zone)
    key = identity.of_own(own) if own else identity.of_place(fingerprint, sent.offset, sent.raw)
    return Event(key, time, text, name, sent.offset, ecs.of(record)._replace(agent__name=sent.peer), sent.at)


@lru_cache(maxsize=4096)
def _sender(peer: str, file: str) -> Origin:
    return Origin(f"{peer}:{file}", identity.fingerprint(orjson.dumps([peer, file])))


def known(pieces: Iterable[Piece], origin: Origin) -> tuple[list[Event], list[Reject]]:
    """The events and rejects of pieces, each with its id."""
    events: list[Event] = []
    rejects: list[Reject] = []
    for offset, raw, found, sent_from, came in pieces:
        name, fingerprint = sent_from or origin
        if isinstance(found, str):
            rejects.append(Reject(identity.of_place(fingerprint, offset, raw), raw, found, name, offset))
            continue
        record, text, time, own = found
        key = identity.of_own(own) if own else identity.of_place(fingerprint, offset, raw)
        fields, arrived = ecs.of(record), None
        if came:
            fields, arrived = fields._replace(agent__name=came.peer), came.at
        events.append(Event(key, time, text, name, offset, fields, arrived))
    return events, rejects


def _record(data: bytes) -> dict[str, Any] | None:
    """The record of a line that is JSON, and none of the collector's."""
    if data[0] != _BRACE or spool.may_be_one(data):
        return None
    try:
        found: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return found


def _of_line(
    offset: int, data: bytes, record: dict[str, Any] | None, memory: Memory | None, clock: Clock
) -> Iterator[Piece]:
    place = Piece(offset, data, "")
    if record is not None:
        yield from _of_json(place, json_lines.of_record(record, data, clock.zone), memory)
    elif spool.may_be_one(data):
        yield from _of_spool(place, memory, clock)
    else:
        yield from _read(place, data, memory, clock)


def _of_spool(line: Piece, memory: Memory | None, clock: Clock) -> Iterator[Piece]:
    try:
        sent = spool.read(line.raw)
    except NotARecord as error:
        yield line._replace(what=str(error))
        return
    yield from of_sent(sent, memory, clock.zone) if sent else _read(line, line.raw, memory, clock)


def _read(place: Piece, data: bytes, memory: Memory | None, clock: Clock) -> Iterator[Piece]:
    try:
        if data.lstrip()[:1] in {b"{", b"["}:
            yield from _of_json(place, json_lines.read(data, clock.zone), memory)
        elif auditd.is_one(data):
            if memory is None:
                raise OutOfOrder
            record = auditd.parse(data)
            found = memory.numbers.read(record)
            # What a peer sent is known by its place: a number would depend on where reading began.
            yield place._replace(what=found._replace(own=None) if place.came else found)
            yield from _joined(place, record, memory)
        else:
            yield place._replace(what=syslog.read(data, clock.zone, clock.arrived))
    except NotARecord as error:
        yield place._replace(what=str(error))


def _of_json(place: Piece, found: Found, memory: Memory | None) -> Iterator[Piece]:
    if journal.MARK not in found.record:
        yield place._replace(what=found)
        return
    record = journal.audit(found)
    yield place._replace(what=journal.audited(found, record) if record else found)
    if record:
        yield from _joined(place, record, memory)
    elif start := journal.started(found):
        yield place._replace(what=start)


def _joined(place: Piece, record: auditd.Record, memory: Memory | None) -> Iterator[Piece]:
    if memory is None:
        raise OutOfOrder
    peer, at = (place.came.peer, place.came.at) if place.came else ("", 0)
    return map(_of_joined, memory.joiner.add(record, place, peer, at))


def _of_joined(joined: Joined[Piece]) -> Piece:
    first = joined.first
    return first._replace(raw=b"process\0" + first.raw, what=joined.found)
