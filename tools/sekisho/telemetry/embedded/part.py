"""Parts: Parquet files of the embedded store, each of one day, written once and never changed."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.core.clock import stamp
from sekisho.core.files import unwritten
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.event import FIELDS, Event, Reject, partition

REJECTED = "rejected"
MERGING = ".merging-"  # what a folder begins with in which a merge sorts
_EVENTS = pa.schema(
    [
        ("id", pa.binary(16)),
        ("time", pa.int64()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("source", pa.string()),
        *((name, pa.string()) for name in FIELDS),
    ]
)
_REJECTS = pa.schema(
    [("id", pa.binary(16)), ("file", pa.string()), ("offset", pa.int64()), ("why", pa.string()), ("raw", pa.binary())]
)

_FORMAT = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"


class Written(NamedTuple):
    """A part that lies in the folder and that no manifest names yet, and the ids in it."""

    part: Part
    ids: tuple[bytes, ...]


def of_events(folder: Path, events: Iterable[Event]) -> list[Written]:
    """Write the parts of a batch, one for each day; of equal ids the first counts.

    Raises:
        Missing: the disk is full, or the folder cannot be written.
    """
    days: dict[str, dict[bytes, Event]] = defaultdict(dict)
    for event in events:
        days[partition(event.time)].setdefault(event.id, event)
    return [_day(folder, day, list(some.values())) for day, some in sorted(days.items())]


def of_rejects(folder: Path, rejects: Iterable[Reject]) -> list[Written]:
    """Write the part of what was set aside, if there is anything; of equal ids the first counts.

    Raises:
        Missing: the disk is full, or the folder cannot be written.
    """
    some = {one.id: one for one in reversed(list(rejects))}
    if not some:
        return []
    columns = {name: [getattr(one, name) for one in some.values()] for name in _REJECTS.names}
    table = pa.table(columns, schema=_REJECTS)
    return [Written(_write(folder, REJECTED, table), tuple(some))]


def without(folder: Path, written: Written, known: Iterable[bytes]) -> Written | None:
    """The same part without the rows of these ids, None if none is left; the part itself is removed."""
    gone = set(known)
    kept = tuple(one for one in written.ids if one not in gone)
    path = folder / written.part.file
    found = None
    if kept:
        table = pq.read_table(path)
        table = table.filter(pc.invert(pc.is_in(table["id"], value_set=pa.array(list(gone), pa.binary(16)))))
        found = Written(_write(folder, written.part.partition, table), kept)
    path.unlink()
    return found


def merged(folder: Path, some: Sequence[Part]) -> Part:
    """One part with the events of several of the same day, in the order of their times; they stay as they are.

    Raises:
        Missing: the disk is full, or the folder cannot be written.
    """
    day = some[0].partition
    name = f"{day}/{uuid.uuid4().hex}.parquet"
    path = folder / name
    try:
        with duckdb.connect() as db, tempfile.TemporaryDirectory(dir=folder, prefix=MERGING) as room:
            db.execute("SET memory_limit = '512MB'")  # a day may be larger than memory: it is sorted on the disk then
            db.execute("SET temp_directory = ?", [room])
            db.execute(
                f"COPY (FROM read_parquet({_literal(folder, some)}) ORDER BY time, id) TO '{_quoted(path)}' {_FORMAT}"
            )
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except (OSError, duckdb.IOException) as error:
        path.unlink(missing_ok=True)
        raise unwritten(path, error if isinstance(error, OSError) else OSError(0, str(error))) from error
    firsts, lasts = [
        [one for one in ends if one is not None] for ends in zip(*((p.first, p.last) for p in some), strict=True)
    ]
    return Part(
        file=name,
        partition=day,
        rows=sum(part.rows for part in some),
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        arrived=max(part.arrived for part in some),
    )


def _literal(folder: Path, some: Sequence[Part]) -> str:
    return "[" + ", ".join(f"'{_quoted(folder / part.file)}'" for part in some) + "]"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _day(folder: Path, day: str, events: Sequence[Event]) -> Written:
    ordered = sorted(events, key=lambda event: (event.time or 0, event.id))
    ids = [event.id for event in ordered]
    columns: dict[str, Sequence[object]] = {
        "id": ids,
        "time": [event.time for event in ordered],
        "file": [event.file for event in ordered],
        "offset": [event.offset for event in ordered],
        "source": [event.source for event in ordered],
    }
    columns |= dict(zip(FIELDS, zip(*(event.ecs for event in ordered), strict=True), strict=True))
    return Written(_write(folder, day, _table(columns)), tuple(ids))


def _table(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    return pa.table(columns, schema=_EVENTS)


def _write(folder: Path, day: str, table: pa.Table) -> Part:
    name = f"{day}/{uuid.uuid4().hex}.parquet"
    path = folder / name
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            pq.write_table(table, file, compression="zstd", compression_level=1)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise unwritten(path, error) from error
    times = pc.min_max(table["time"]).as_py() if "time" in table.column_names else {"min": None, "max": None}
    return Part(file=name, partition=day, rows=table.num_rows, first=times["min"], last=times["max"], arrived=stamp())
