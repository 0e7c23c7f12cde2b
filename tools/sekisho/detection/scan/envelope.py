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

_DIGITS = re.compile(r"0*([0-9]{1,9})")
# What is not expected: null, which `kind` refuses, or whatever else, which is refused at once.
_Absent = UnsetType | None


class _EventData(Struct, gc=False, frozen=True):
    own: _Absent = msgspec.field(default=UNSET, name="EventID")


class _Winlog(Struct, gc=False, frozen=True):
    event_id: int | str | None = None
    channel: str | None = None
    event_data: _EventData | None = None
    user_data: _Absent = UNSET


class Told(Struct, gc=False, frozen=True):
    """What a record says of its kind, as it stands there. Records that say the same have the same hash."""

    code: int | str | None = msgspec.field(default=None, name="EventID")
    channel: str | None = msgspec.field(default=None, name="Channel")
    winlog: _Winlog | None = None
    event: _Absent = msgspec.field(default=UNSET, name="Event")


told = msgspec.json.Decoder(Told).decode
"""What a record says; what is passed over may be no UTF-8. Raises `REFUSED`: it says something else, or is none."""
REFUSED = (ValueError, RecursionError)  # msgspec has an own for what is no JSON, but not for a text that is no UTF-8
_any = msgspec.json.Decoder(Raw)


def is_object(text: bytes | memoryview) -> bool:
    """Whether what was refused is a JSON object all the same."""
    if text[:1] != b"{":
        return False
    try:
        _any.decode(text)
    except REFUSED:
        return False
    return True


def kind(told: Told, known: frozenset[int]) -> Kind | None:
    """The kind that a record tells; of numbers only those that are `known` count. None if it does not tell."""
    code, channel = told.code, told.channel
    if told.winlog is not None:
        code, channel = told.winlog.event_id, told.winlog.channel
        data = told.winlog.event_data
        if told.winlog.user_data is not UNSET or (data is not None and data.own is not UNSET):
            return None  # EventID may stand in another place
    elif told.event is not UNSET:
        return None
    if code is None or channel is None:
        return None
    if isinstance(code, str):
        digits = _DIGITS.fullmatch(code)
        if digits is None:
            return None
        code = int(digits[1])
    name = orjson.dumps(channel.lower())[1:-1]
    return Kind(frozenset((name,)), known & {code}, frozenset(), flat=True)
