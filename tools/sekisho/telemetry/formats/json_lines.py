"""Lines of NDJSON: Windows events in the shapes of Winlogbeat, of NXLog, of EVTX rendered as JSON, and of a journal."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from sekisho.telemetry.event import EPOCH
from sekisho.telemetry.formats import journal
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.identity import Own

LEVELS = ("winlog", "Event")  # where a record with levels has them
NUMBER = "RecordNumber"  # of a record of one level, in its log
# Where a record of one level may tell its time, and in which zone; None if it may be any. The first that is one counts.
TIMES = (("@timestamp", None), ("UtcTime", UTC), ("TimeCreated", None), ("EventTime", None), ("timestamp", None))
_EPOCH = EPOCH.replace(tzinfo=None)
_NONE: dict[str, Any] = {}


def read(line: bytes, zone: tzinfo) -> Found:
    """The record of a line.

    Raises:
        NotARecord: it is not one JSON object.
    """
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise NotARecord(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotARecord("JSON, but not an object")
    return of_record(found, line, zone)


def of_record(record: dict[str, Any], source: bytes, zone: tzinfo) -> Found:
    """What a record tells of itself; `source` is its JSON."""
    if winlog := _mapping(record, "winlog"):
        written = record.get("@timestamp")
        own = _windows(winlog.get("computer_name"), winlog.get("channel"), winlog.get("record_id"), written)
        return Found(record, source, _moment(written, zone), own)
    if system := _mapping(_mapping(record, "Event"), "System"):
        written = _mapping(_mapping(system, "TimeCreated"), "#attributes").get("SystemTime")
        own = _windows(system.get("Computer"), system.get("Channel"), system.get("EventRecordID"), written)
        return Found(record, source, _moment(written, UTC), own)
    own = None
    if NUMBER in record:
        own = numbered(record)
    elif journal.MARK in record:
        return journal.of_record(record, source)
    return Found(record, source, _flat_time(record, zone), own)


def numbered(record: dict[str, Any]) -> Own | None:
    """The identity of a record of one level that has a number, if all is there that belongs to it."""
    return _windows(record.get("Hostname"), record.get("Channel"), record[NUMBER], record.get("EventTime"))


def moment(text: str, assumed: tzinfo) -> int | None:
    """A time as ISO 8601 writes it, in microseconds since 1970 (UTC); one without a zone is of the zone `assumed`."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            since = found - EPOCH
        elif assumed is UTC:
            since = found - _EPOCH
        else:
            since = found.replace(tzinfo=assumed) - EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _moment(text: object, assumed: tzinfo) -> int | None:
    return moment(text.strip(), assumed) if isinstance(text, str) else None


def _flat_time(record: dict[str, Any], zone: tzinfo) -> int | None:
    for field, assumed in TIMES:
        if field in record and (found := _moment(record[field], assumed or zone)) is not None:
            return found
    return None


def _windows(computer: object, channel: object, number: object, time: object) -> Own | None:
    if number.__class__ is int:
        number = str(number)
    if not (
        isinstance(computer, str) and isinstance(channel, str) and isinstance(number, str) and isinstance(time, str)
    ) or not (computer and channel and number and time):
        return None
    # The time tells two records apart that got the same number, before and after the log was cleared. To the
    # millisecond, for shippers write it with different precision.
    when = moment(time, UTC)
    return ("windows", computer.casefold(), channel, number, time if when is None else str(when // 1000))


def _mapping(record: dict[str, Any], key: str) -> dict[str, Any]:
    found = record.get(key, _NONE)
    return found if isinstance(found, dict) else _NONE
