"""A line becomes a record: a JSON object with the source's own fields, as they came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

_MICROSECOND = 1_000_000


class NotARecord(ValueError):  # noqa: N818 - says what it is not
    """A line that cannot be read; the text says why."""


def parse(line: bytes) -> dict[str, Any]:
    """The record of a line of NDJSON.

    Raises:
        NotARecord: it is not one JSON object.
    """
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise NotARecord(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotARecord("JSON, but not an object")
    return found


def time(record: Mapping[str, Any], zone: ZoneInfo) -> int | None:
    """When it was, in microseconds since 1970 (UTC); a time without a zone is one of `zone`."""
    for field, assumed in (("@timestamp", zone), ("UtcTime", UTC), ("TimeCreated", zone), ("EventTime", zone)):
        text = record.get(field)
        if isinstance(text, str) and (found := _moment(text, assumed)) is not None:
            return found
    created = record.get("Event")
    for key in ("System", "TimeCreated", "#attributes", "SystemTime"):
        created = created.get(key) if isinstance(created, Mapping) else None
    return _moment(created, UTC) if isinstance(created, str) else None


def _moment(text: str, assumed: Any) -> int | None:  # noqa: ANN401 - whatever datetime takes for a zone
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=assumed)
        whole = moment.replace(microsecond=0)
        return int(whole.timestamp()) * _MICROSECOND + moment.microsecond
    except (ValueError, OverflowError):
        return None
