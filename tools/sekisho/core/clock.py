"""Time as it is stored (UTC) and as officials read it (Japan time)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

JAPAN = timezone(timedelta(hours=9), "JST")  # no summer time since 1951, so no table of zones is needed


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC with milliseconds, the form in which every time is stored."""
    return (moment or now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def parse(text: str) -> datetime:
    """A stored time as an aware datetime.

    Raises:
        ValueError: the text is not RFC 3339, or carries no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment.astimezone(UTC)


def japan(text: str) -> str:
    """A stored time as a person in Japan reads it, to the second."""
    return parse(text).astimezone(JAPAN).strftime("%Y-%m-%d %H:%M:%S")
