"""A stream becomes records, in its own order: the format is told by what stands there, not by the file's name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import NamedTuple

from sekisho.telemetry.formats import auditd, evtx, json_lines, syslog
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.stream import Broken, Chunks, Line, Source, lines


class Clock(NamedTuple):
    """What stands in for what a line does not say: the zone of its time, and when it came here."""

    zone: tzinfo
    arrived: datetime


class Piece(NamedTuple):
    """What stood at an offset: as it stood, and the record that it is, or why it is none.

    In an event log `offset` is the number of the record.
    """

    offset: int
    raw: bytes
    what: Found | str


def pieces(source: Source, chunks: Chunks, clock: Clock) -> Iterator[Piece]:
    """All of a stream; what cannot be read has its place among the rest."""
    if chunks.head.startswith(evtx.MAGIC):
        for number, one in enumerate(evtx.records(chunks.head, source.file)):
            yield Piece(number, one.source, one) if isinstance(one, Found) else Piece(number, b"", str(one))
        return
    audit = auditd.Reader()
    for line in lines(chunks):
        if isinstance(line, Broken):
            yield Piece(line.offset, line.data, line.why)
            continue
        try:
            yield Piece(line.offset, line.data, _line(line, audit, clock))
        except NotARecord as error:
            yield Piece(line.offset, line.data, str(error))


def _line(line: Line, audit: auditd.Reader, clock: Clock) -> Found:
    if line.data.lstrip()[:1] in {b"{", b"["}:
        return json_lines.read(line.data, clock.zone)
    if auditd.is_one(line.data):
        return audit.read(line.data)
    return syslog.read(line.data, clock.zone, clock.arrived)
