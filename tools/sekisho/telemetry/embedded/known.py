"""What of a new part the store has already.

Equal events have equal times, so only parts, and groups of their rows, are asked whose times overlap the new one's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.embedded.part import ID, REJECTED, Written
from sekisho.telemetry.event import UNDATED


def of(folder: Path, written: Written, there: Iterable[Part]) -> pa.Array:
    """The ids of a written part that are in one of these too."""
    some = [part for part in there if _may_share(part, written.part)]
    if not some:
        return pa.array([], ID)
    import pyarrow.compute as pc  # noqa: PLC0415 - slow to load, and a new store does without

    asked = pa.Array.from_buffers(ID, written.part.rows, [None, pa.py_buffer(written.ids)])
    found: list[pa.Array] = []
    for part in some:
        with pq.ParquetFile(folder / part.file) as file:
            groups = [number for number in range(file.num_row_groups) if _may_have(file, number, written.part)]
            for batch in file.iter_batches(row_groups=groups, columns=["id"]) if groups else ():
                ids = batch.column(0)
                found.append(ids.filter(pc.is_in(ids, value_set=asked)))
    return pa.chunked_array(found, ID).unique()


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
