"""What of a new part the store has already.

Equal events have equal times, so only parts, and groups of their rows, are asked whose times overlap the new one's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.embedded.part import REJECTED, Written
from sekisho.telemetry.event import UNDATED
from sekisho.telemetry.identity import SIZE


def of(folder: Path, written: Written, there: Iterable[Part]) -> set[bytes]:
    """The ids of a written part that are in one of these too."""
    found: set[bytes] = set()
    asked: set[bytes] = set()
    for part in there:
        if _may_share(part, written.part):
            asked = asked or set(_each(written.ids))
            with (folder / part.file).open("rb") as opened, pq.ParquetFile(opened) as file:
                groups = [number for number in range(file.num_row_groups) if _may_have(file, number, written.part)]
                for batch in file.iter_batches(row_groups=groups, columns=["id"]) if groups else ():
                    found |= asked.intersection(_each(_octets(batch.column(0))))
    return found


def _octets(ids: pa.Array) -> memoryview:
    octets = memoryview(ids.buffers()[1])
    return octets[ids.offset * SIZE : (ids.offset + len(ids)) * SIZE]


def _each(ids: bytes | memoryview) -> Iterator[bytes]:
    """The ids that lie one behind the other: sooner than Arrow hands them out."""
    return (one for (one,) in struct.iter_unpack(f"{SIZE}s", ids))


def _may_share(one: Part, other: Part) -> bool:
    return one.partition == other.partition and (
        not _dated(one) or one.first is None or one.last is None or _overlap(one.first, one.last, other)
    )


def _may_have(file: pq.ParquetFile, group: int, part: Part) -> bool:
    if not _dated(part):
        return True
    times = file.metadata.row_group(group).column(file.schema_arrow.names.index("time")).statistics
    return times is None or not times.has_min_max or _overlap(times.min, times.max, part)


def _dated(part: Part) -> bool:
    """Whether all that is in it has a time."""
    return part.partition not in {UNDATED, REJECTED}


def _overlap(first: int, last: int, part: Part) -> bool:
    return part.first is None or part.last is None or (first <= part.last and part.first <= last)
