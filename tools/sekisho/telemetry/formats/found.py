"""What a format finds in a piece of a log."""

from __future__ import annotations

from typing import Any, NamedTuple

from sekisho.telemetry.identity import Own


class Found(NamedTuple):
    """A record: its fields, its JSON as the store keeps it, when it was, and its own identity if it has one.

    `time` counts microseconds since 1970 in UTC.
    """

    record: dict[str, Any]
    source: bytes
    time: int | None
    own: Own | None


class NotARecord(ValueError):  # noqa: N818 - says what it is not
    """It cannot be read; the text says why. `raw` is the beginning of what stood there, where only the format knows."""

    def __init__(self, why: str, raw: bytes = b"") -> None:
        super().__init__(why)
        self.raw = raw
