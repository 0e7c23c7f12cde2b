"""Parts: Parquet files of the embedded store, each of one day, written once and never changed."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.core.clock import stamp
from sekisho.core.files import unwritten
from sekisho.telemetry import identity
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.event import FIELDS, UNDATED, Event, Reject, partition

pa.set_memory_pool(pa.system_memory_pool())  # it keeps what was freed; the others give it back and ask for it anew
REJECTED = "rejected"
_ID = pa.binary(identity.SIZE)
_EVENTS = pa.schema(
    [
        ("id", _ID),
        ("time", pa.int64()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("source", pa.string()),
        *((name, pa.string()) for name in FIELDS),
        ("arrived", pa.int64()),
    ]
)
# A part that was merged says of each row with which batch it came; of any other the manifest says it.
BATCH = "batch"
_MERGED = _EVENTS.append(pa.field(BATCH, pa.int64()))
_REJECTS = pa.schema(
    [("id", _ID), ("file", pa.string()), ("offset", pa.int64()), ("why", pa.string()), ("raw", pa.binary())]
)

# Of these a part has the same values over and over; a dictionary of the others would be as large as they are.
_ALIKE = ["file", "why", BATCH, *FIELDS]
_FORM: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": _ALIKE,
    "write_statistics": ["time", BATCH],
}
# Of a group of rows in a part that was merged: what is in memory at once.
_ROWS = 50_000
_READ = 2_000  # of these at once, or a group would become much larger
_OCTETS = 16 * 1024 * 1024


class Written(NamedTuple):
    """A part that lies in the folder and that no manifest names yet, and the ids in it, one behind the other."""

    part: Part
    ids: bytes


class Parts(NamedTuple):
    """Those of a batch: of its events, one for each day, and of what was set aside."""

    events: list[Written]
    rejects: list[Written]


class Batch:
    """Events as columns, until they are written: a part for each day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._days: dict[str, _Day] = defaultdict(_Day)
        self._rejects: list[Reject] = []

    def add(self, events: Sequence[Event], rejects: Sequence[Reject]) -> None:
        """Take some more: a few at once, for columns take less room than events."""
        for day, some in _by_day(events).items():
            self._days[day].add(some)
        self._rejects += rejects

    def ready(self) -> Parts:
        """Write the parts; of equal ids the first counts.

        Raises:
            Missing: the disk is full, or the folder cannot be written.
        """
        events = [day.write(self._folder, name) for name, day in sorted(self._days.items())]
        return Parts(events, _of_rejects(self._folder, self._rejects))


def _by_day(events: Sequence[Event]) -> Mapping[str, Sequence[Event]]:
    times = [event.time for event in events if event.time is not None]
    # Nearly always these are of one day, and that shows by two of them.
    if len(times) == len(events) > 0 and UNDATED != (day := partition(min(times))) == partition(max(times)):
        return {day: events}
    days: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        days[partition(event.time)].append(event)
    return days


class _Day:
    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._ids: list[bytes] = []
        self._times: list[int | None] = []

    def add(self, events: Sequence[Event]) -> None:
        columns: dict[str, tuple[Any, ...]] = dict(zip(Event._fields, zip(*events, strict=True), strict=True))
        columns |= zip(FIELDS, zip(*columns.pop("ecs"), strict=True), strict=True)
        self._ids += columns["id"]
        self._times += columns["time"]
        self._batches.append(pa.record_batch(columns, schema=_EVENTS))

    def write(self, folder: Path, day: str) -> Written:
        table, ids = pa.Table.from_batches(self._batches), self._ids
        if len(set(ids)) < len(ids):
            firsts = {key: place for place, key in reversed(list(enumerate(ids)))}
            table, ids = table.take(sorted(firsts.values())), sorted(firsts, key=firsts.__getitem__)
        return Written(_write(folder, day, table, self._times), b"".join(ids))


def _of_rejects(folder: Path, rejects: Iterable[Reject]) -> list[Written]:
    some = {one.id: one for one in reversed(list(rejects))}
    if not some:
        return []
    columns = {name: [getattr(one, name) for one in some.values()] for name in _REJECTS.names}
    table = pa.table(columns, schema=_REJECTS)
    return [Written(_write(folder, REJECTED, table), b"".join(some))]


def without(folder: Path, written: Written, known: set[bytes]) -> list[Part]:
    """The same part without the rows of these ids, none if none is left; the part itself is removed."""
    path = folder / written.part.file
    found = []
    if len(known) < written.part.rows:
        table = pq.read_table(path)
        table = table.filter(pa.array([one not in known for one in table["id"].to_pylist()]))
        times = table["time"].to_pylist() if "time" in table.column_names else ()
        found = [_write(folder, written.part.partition, table, times)]
    path.unlink()
    return found


def merged(folder: Path, some: Sequence[Part]) -> Part:
    """One part with the events of several of the same day; they stay as they are.

    Its groups of rows are each in the order of their times, and about in that of the parts': memory holds one of them.

    Raises:
        Missing: the disk is full, or the folder cannot be written.
    """
    day = some[0].partition
    name = f"{day}/{uuid.uuid4().hex}.parquet"
    path = folder / name
    try:
        with pq.ParquetWriter(path, _MERGED, **_FORM) as writer:
            for group in _groups(folder, sorted(some, key=lambda one: (one.first is None, one.first or 0))):
                writer.write_table(group.sort_by("time"))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise unwritten(path, error) from error
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
        batch=max(part.batch for part in some),
    )


def _groups(folder: Path, some: Iterable[Part]) -> Iterator[pa.Table]:
    """The rows of parts, some at once."""
    held: list[pa.RecordBatch] = []
    for part in some:
        with pq.ParquetFile(folder / part.file, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_READ, use_threads=False):  # each thread would keep memory
                held.append(_numbered(batch, part))
                if sum(map(len, held)) >= _ROWS or sum(one.nbytes for one in held) >= _OCTETS:
                    yield pa.Table.from_batches(held)
                    held = []
    if held:
        yield pa.Table.from_batches(held)


def _numbered(rows: pa.RecordBatch, part: Part) -> pa.RecordBatch:
    """Rows of a part, each with the number of the batch with which it came."""
    if BATCH in rows.schema.names:
        return rows
    return rows.append_column(_MERGED.field(BATCH), pa.repeat(pa.scalar(part.batch, pa.int64()), len(rows)))


def _write(folder: Path, day: str, table: pa.Table, times: Iterable[int | None] = ()) -> Part:
    name = f"{day}/{uuid.uuid4().hex}.parquet"
    path = folder / name
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            pq.write_table(table, file, **_FORM)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise unwritten(path, error) from error
    known = [time for time in times if time is not None]
    first, last = min(known, default=None), max(known, default=None)
    return Part(file=name, partition=day, rows=table.num_rows, first=first, last=last, arrived=stamp())
