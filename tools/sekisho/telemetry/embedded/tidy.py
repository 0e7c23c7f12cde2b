"""Keeping the embedded store in order: small parts of a day become one, and days end when policy says so."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from sekisho.core.clock import parse
from sekisho.telemetry.embedded import part as parts
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.embedded.writer import Writer

_MANY = 8  # parts of a day, from which on they are made one
_LARGE = 4_000_000  # events of a part, which is left as it is


def merge(writer: Writer) -> int:
    """Make one part of the small parts of each day that has many; how many parts are fewer.

    Raises:
        Missing: the disk is full; what was merged before stays merged.
    """
    days: dict[str, list[Part]] = defaultdict(list)
    for part in writer.manifest.parts:
        if part.rows < _LARGE:
            days[part.partition].append(part)
    fewer = 0
    for some in days.values():
        if len(some) >= _MANY:
            gone = {part.file for part in some}
            kept = tuple(part for part in writer.manifest.parts if part.file not in gone)
            one = parts.merged(writer.folder, some)
            writer.commit(writer.manifest.model_copy(update={"parts": (*kept, one)}))
            fewer += len(some) - 1
    return fewer


def expire(writer: Writer, days: int, now: datetime) -> int:
    """Let go of days in which nothing has arrived for `days`; how many events went with them.

    The last arrival counts and not the events' own time: a clock in 1970 must not make an event vanish as it comes, and
    what was taken in late is kept as long as anything else.
    """
    last: dict[str, str] = {}
    for part in writer.manifest.parts:
        last[part.partition] = max(part.arrived, last.get(part.partition, ""))
    over = {day for day, arrived in last.items() if parse(arrived) < now - timedelta(days=days)}
    gone = [part for part in writer.manifest.parts if part.partition in over]
    if gone:
        kept = tuple(part for part in writer.manifest.parts if part.partition not in over)
        writer.commit(writer.manifest.model_copy(update={"parts": kept}))
    return sum(part.rows for part in gone)
