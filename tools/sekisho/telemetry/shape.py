"""Records of one level, by far the most, as events: what to look at in one depends on its keys only.

It is found out once for all records with the same keys. What comes of a record is what `json_lines` and `ecs` say of
it; here nothing is asked that its keys have answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from sekisho.telemetry import ecs, identity
from sekisho.telemetry.event import Ecs, Event
from sekisho.telemetry.formats import json_lines

# With one of these a record may have levels, or be of another source than it seems.
_OTHERS = frozenset({*json_lines.LEVELS, *ecs.MARKS})
# Octets of the longest record whose keys are looked up and kept: of such as a peer may make up, all fit into memory.
LONGEST = 32 * 1024
_NOTHING: list[str | None] = [None] * len(Ecs._fields)
_SENDER = Ecs._fields.index("agent__name")


class Shape(NamedTuple):
    """Where such records have their times, with the zone of each; whether they are numbered; their ECS fields' keys.

    Of a field with several keys the first counts that has something to say.
    """

    times: Sequence[tuple[str, tzinfo | None]]
    numbered: bool
    fields: Sequence[tuple[int, str, list[str]]]


@lru_cache(maxsize=1024)
def of(keys: tuple[str, ...]) -> Shape | None:
    """The shape of records of one level with these keys; None if one with these may be another."""
    if not _OTHERS.isdisjoint(keys):
        return None
    times = [(name, zone) for name, zone in json_lines.TIMES if name in keys]
    fields = [(place, first, others) for place, (first, *others) in ecs.present(ecs.KNOWN.intersection(keys))]
    return Shape(times, json_lines.NUMBER in keys, fields)


def event(
    shape: Shape,
    record: dict[str, Any],
    line: bytes,
    zone: tzinfo,
    file: str,
    fingerprint: bytes,
    offset: int,
    peer: str | None = None,
    arrived: int | None = None,
) -> Event:
    """The event of a record of this shape, which stood at an offset of a file that is known by its fingerprint.

    `peer` and `arrived` say who sent it, and when it came (microseconds since 1970, UTC).
    """
    time = None
    for name, of_it in shape.times:
        if (value := record[name]).__class__ is str:
            time = json_lines.moment(value.strip(), of_it or zone)
            if time is not None:
                break
    own = json_lines.numbered(record) if shape.numbered else None
    key = identity.of_own(own) if own else identity.of_place(fingerprint, offset, line)
    fields = _NOTHING.copy()
    for place, name, others in shape.fields:
        value = record[name]
        if value.__class__ is str and value and value != ecs.NOTHING:
            fields[place] = value
        elif value.__class__ is int:
            fields[place] = str(value)
        else:
            fields[place] = ecs.first(record, (name, *others))
    fields[_SENDER] = peer
    return Event(key, time, line, file, offset, Ecs._make(fields), arrived)
