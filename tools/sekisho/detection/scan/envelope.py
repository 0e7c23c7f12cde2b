"""Of what kind a Windows record is, by the few of its fields that say so.

msgspec decodes these and passes over all others, but not without making sure that they are JSON: a line of 2.4 kB takes
a fifth of what it takes to load it. What it refuses, and what is no Windows record, is for others to tell.
"""

from __future__ import annotations

import re

import msgspec
import orjson
from msgspec import UNSET, Raw, Struct, UnsetType

from sekisho.detection.scan.kinds import Kind
from sekisho.telemetry.stream import LONGEST

Told = tuple[int | str, str]
"""EventID and channel, as they stand there."""

_DIGITS = re.compile(r"0*([0-9]{1,9})")


class _EventData(Struct, gc=False):
    own: Raw | UnsetType = msgspec.field(default=UNSET, name="EventID")


class _Winlog(Struct, gc=False):
    event_id: int | str | None = None
    channel: str | None = None
    event_data: _EventData | None = None
    user_data: Raw | UnsetType = UNSET


class _Record(Struct, gc=False):
    code: int | str | None = msgspec.field(default=None, name="EventID")
    channel: str | None = msgspec.field(default=None, name="Channel")
    winlog: _Winlog | None = None
    event: Raw | UnsetType = msgspec.field(default=UNSET, name="Event")


_record = msgspec.json.Decoder(_Record)
_any = msgspec.json.Decoder(Raw)


def told(text: bytes | memoryview) -> Told | None:
    """What a record says of its kind; None if another way to look at it is needed. What is passed over may be no UTF-8.

    Raises:
        ValueError: this may be no JSON object.
    """
    if len(text) > LONGEST:
        raise ValueError("too long")
    try:
        found = _record.decode(text)
    except msgspec.ValidationError:
        _untold(text)
        return None
    except RecursionError as error:
        raise ValueError("too deep") from error
    if found.winlog is None:
        if found.code is None or found.channel is None or found.event is not UNSET:
            return None
        return found.code, found.channel
    winlog = found.winlog
    if winlog.event_id is None or winlog.channel is None or winlog.user_data is not UNSET:
        return None  # EventID may stand in another place
    if winlog.event_data is not None and winlog.event_data.own is not UNSET:
        return None
    return winlog.event_id, winlog.channel


def _untold(text: bytes | memoryview) -> None:
    """A field is of another type, and the rest was not looked at.

    Raises:
        ValueError: this may be no JSON object.
    """
    if text[:1] != b"{":
        raise ValueError("no object")
    try:
        _any.decode(text)
    except RecursionError as error:
        raise ValueError("too deep") from error


def kind(code: int | str, channel: str, known: frozenset[int]) -> Kind | None:
    """The kind that is told by these; of numbers only those that are `known` count. None if it is not told."""
    if isinstance(code, str):
        digits = _DIGITS.fullmatch(code)
        if digits is None:
            return None
        code = int(digits[1])
    name = orjson.dumps(channel.lower())[1:-1]
    return Kind(frozenset((name,)), known & {code}, frozenset(), flat=True)
