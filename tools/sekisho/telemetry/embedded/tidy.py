"""Keeping the embedded store in order: small parts of a day become one, and days end when policy says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sekisho.core.clock import parse
from sekisho.telemetry.embedded import part as parts
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.store import Expired

if TYPE_CHECKING:
    from sekisho.telemetry.embedded.writer import Writer


_MANY = 8  # parts of a day and of about one size, from which on they are made one
_LARGE = 4_000_000  # events of a part, which is left as it is


def merge(writer: Writer) -> int:
    """Make one part of a day's many parts of about the same size; how many parts are fewer.

    Only parts of one size are merged, so that an event is written again once for each eightfold of its day, however
    small the batches are in which the day arrives.

    Raises:
        Missing: the disk is full; what was merged before stays merged.
    """
    before = len(writer.manifest.parts)
    while some := _many(writer.manifest.parts):
        gone = {part.file for part in some}
        kept = tuple(part for part in writer.manifest.parts if part.file not in gone)
        one = parts.merged(writer.folder, some)
        writer.commit(writer.manifest.model_copy(update={"parts": (*kept, one)}))
    return before - len(writer.manifest.parts)


def _many(all_parts: Iterable[Part]) -> list[Part]:
    """Parts to make one of; none if no day has many of one size."""
    alike: dict[tuple[str, int], list[Part]] = defaultdict(list)
    for part in all_parts:
        if part.rows < _LARGE:
            alike[part.partition, _magnitude(part.rows)].append(part)
    return next((some for some in alike.values() if len(some) >= _MANY), [])


def _magnitude(rows: int) -> int:
    """How often `rows` can be divided by the number of parts that are made one."""
    return (rows.bit_length() - 1) // (_MANY.bit_length() - 1)


def expire(writer: Writer, days: int, now: datetime) -> Expired:
    """Let go of days in which nothing has arrived for `days`, and of lines that were set aside so long ago.

    The last arrival counts and not the events' own time: a clock in 1970 must not make an event vanish as it comes, and
    what was taken in late is kept as long as anything else. Lines that were set aside are of no day: each batch of them
    goes by its own arrival.
    """
    limit = now - timedelta(days=days)
    last: dict[str, str] = {}
    for part in writer.manifest.parts:
        last[part.partition] = max(part.arrived, last.get(part.partition, ""))
    over = {day for day, arrived in last.items() if parse(arrived) < limit}
    before = writer.manifest
    parts_kept = tuple(part for part in before.parts if part.partition not in over)
    rejects_kept = tuple(part for part in before.rejects if parse(part.arrived) >= limit)
    gone = Expired(_rows(before.parts) - _rows(parts_kept), _rows(before.rejects) - _rows(rejects_kept))
    if any(gone):
        writer.commit(before.model_copy(update={"parts": parts_kept, "rejects": rejects_kept}))
    return gone


def _rows(some: Iterable[Part]) -> int:
    return sum(part.rows for part in some)
