"""An event as the stores keep it: who it is, when it was, what its source said, and where it was found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

UNDATED = "undated"
FIRST_YEAR, LAST_YEAR = 2015, 2049  # outside of these a clock was wrong, or the time is not one


class Ecs(NamedTuple):
    """Fields of the Elastic Common Schema, for search; None where the source has nothing that fits.

    They stand beside the source's own fields and never replace one. The names on the wire have dots for `__`.
    """

    event__code: str | None = None
    event__provider: str | None = None
    event__dataset: str | None = None
    host__name: str | None = None
    user__name: str | None = None
    process__pid: str | None = None
    process__executable: str | None = None
    process__command_line: str | None = None
    process__parent__executable: str | None = None
    source__ip: str | None = None
    destination__ip: str | None = None
    event__action: str | None = None
    source__port: str | None = None
    destination__port: str | None = None
    agent__name: str | None = None  # who sent it, by its certificate: a host may lie about its name


FIELDS = tuple(name.replace("__", ".") for name in Ecs._fields)


class Event(NamedTuple):
    """One event. `id` has 16 octets; `time` counts microseconds since 1970 in UTC, None if the source tells none.

    `source` is the source's own record, one JSON object; `file` and `offset` say where it stood, in the decompressed
    stream. `arrived` is when the collector took it, in the same microseconds; None if it came as a file.
    """

    id: bytes
    time: int | None
    source: bytes
    file: str
    offset: int
    ecs: Ecs
    arrived: int | None = None


class Reject(NamedTuple):
    """What could not be read as an event, as it stood, and why; `raw` may be only its beginning."""

    id: bytes
    raw: bytes
    why: str
    file: str
    offset: int


class Aside(NamedTuple):
    """What lies set aside, and when it was (RFC 3339)."""

    reject: Reject
    arrived: str


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_DAY = 86_400_000_000
_END = int(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def moment(time: int) -> datetime:
    """Microseconds since 1970 as a time in UTC.

    Raises:
        OverflowError: it lies outside of the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=time)


def partition(time: int | None) -> str:
    """Where an event belongs, by the event alone: its own day in UTC, or `undated`."""
    if time is None or not _FIRST <= time < _END:
        return UNDATED
    return _day(time // _DAY)


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return moment(number * _DAY).date().isoformat()
