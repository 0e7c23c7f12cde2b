"""Lines of NDJSON: Windows events in the shapes of Winlogbeat, of NXLog, of EVTX rendered as JSON, and of a journal."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.identity import Own

_MICROSECOND = 1_000_000


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
    return Found(record, source, _time(record, zone), _own(record))


def moment(text: str, assumed: tzinfo) -> int | None:
    """A time as ISO 8601 writes it, in microseconds since 1970 (UTC); one without a zone is of the zone `assumed`."""
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.replace(tzinfo=assumed)
        return int(found.replace(microsecond=0).timestamp()) * _MICROSECOND + found.microsecond
    except (ValueError, OverflowError):
        return None


def _time(record: dict[str, Any], zone: tzinfo) -> int | None:
    for field, assumed in (("@timestamp", zone), ("UtcTime", UTC), ("TimeCreated", zone), ("EventTime", zone)):
        text = record.get(field)
        if isinstance(text, str) and (found := moment(text, assumed)) is not None:
            return found
    created = _mapping(_mapping(_mapping(record, "Event"), "System"), "TimeCreated")
    text = _mapping(created, "#attributes").get("SystemTime")
    return moment(text, UTC) if isinstance(text, str) else None


def _own(record: dict[str, Any]) -> Own | None:
    """A record's own identity: of a Windows event log, or of a journal; None if it has none."""
    if winlog := _mapping(record, "winlog"):
        return _windows(
            winlog.get("computer_name"), winlog.get("channel"), winlog.get("record_id"), record.get("@timestamp")
        )
    if system := _mapping(_mapping(record, "Event"), "System"):
        created = _mapping(_mapping(system, "TimeCreated"), "#attributes")
        return _windows(
            system.get("Computer"), system.get("Channel"), system.get("EventRecordID"), created.get("SystemTime")
        )
    if "RecordNumber" in record:
        return _windows(
            record.get("Hostname"), record.get("Channel"), record.get("RecordNumber"), record.get("EventTime")
        )
    cursor = record.get("__CURSOR")
    return ("journal", cursor) if isinstance(cursor, str) and cursor else None


def _windows(computer: object, channel: object, number: object, time: object) -> Own | None:
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    if not all(isinstance(one, str) and one for one in (computer, channel, number, time)):
        return None
    # The time tells two records apart that got the same number, before and after the log was cleared. To the
    # millisecond, for shippers write it with different precision.
    when = moment(str(time), UTC)
    return (
        "windows",
        str(computer).casefold(),
        str(channel),
        str(number),
        str(time) if when is None else str(when // 1000),
    )


def _mapping(record: dict[str, Any], key: str) -> dict[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else {}
