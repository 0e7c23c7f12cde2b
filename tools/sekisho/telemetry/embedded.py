"""The embedded store: Parquet files under the state folder, a part for each batch and day, read by DuckDB.

A part is written, made durable, and only then named in the manifest; a crash between leaves a file that nobody names,
and the next writer removes it. An event that is there already is not written again. Equal events have equal times, so
only parts whose times overlap the batch's are asked for its ids.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.core.clock import stamp
from sekisho.core.errors import BadInput
from sekisho.core.files import unwritten
from sekisho.core.language import Both
from sekisho.telemetry import manifest as manifests
from sekisho.telemetry.event import FIELDS, UNDATED, Event, Reject, partition
from sekisho.telemetry.manifest import Manifest, Part

REJECTED = "rejected"
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

_THERE = "SELECT id FROM asked SEMI JOIN (SELECT id FROM read_parquet(?)) USING (id)"
_THERE_THEN = "SELECT id FROM asked SEMI JOIN (SELECT id FROM read_parquet(?) WHERE time BETWEEN ? AND ?) USING (id)"


class Added(NamedTuple):
    """What became of a batch: new events, what was there before, and what was newly set aside."""

    new: int = 0
    known: int = 0
    rejected: int = 0


class EmbeddedStore:
    """The store in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self) -> Manifest:
        """What belongs to the store at this moment."""
        return manifests.read(self.folder)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The one writer.

        Raises:
            BadInput: another process is writing.
            Missing: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.folder / "lock").open("a")
        except OSError as error:
            raise unwritten(self.folder, error) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadInput(
                    Both(f"{self.folder} には別の処理が書き込み中", f"another command is writing to {self.folder}"),
                    Both("終わるのを待つ", "wait for it to end"),
                ) from error
            yield Writer(self.folder)


class Writer:
    """Adds batches; made by `EmbeddedStore.writing`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.manifest = manifests.read(folder)
        self._db = duckdb.connect()
        self._sweep()

    def add(
        self,
        events: Sequence[Event],
        rejects: Sequence[Reject] = (),
        short_files: Mapping[int, Iterable[str]] | None = None,
    ) -> Added:
        """Write what is new, durably; when this returns it is in the store, and when it fails nothing of it is.

        Raises:
            Missing: the disk is full, or the folder cannot be written.
        """
        days: dict[str, dict[bytes, Event]] = defaultdict(dict)
        for event in events:
            days[partition(event.time)].setdefault(event.id, event)
        parts = [part for day, rows in sorted(days.items()) if (part := self._events(day, rows))]
        kept = {one.id: one for one in rejects}
        aside = [part] if kept and (part := self._rejects(kept)) else []
        short = {length: tuple(sorted(digests)) for length, digests in (short_files or {}).items()}
        if parts or aside or short != self.manifest.short_files:
            self._commit(parts, aside, short)
        new, rejected = sum(part.rows for part in parts), sum(part.rows for part in aside)
        return Added(new, len(events) + len(rejects) - new - rejected, rejected)

    def _commit(self, parts: list[Part], aside: list[Part], short: dict[int, tuple[str, ...]]) -> None:
        for folder in {Path(part.file).parent for part in (*parts, *aside)}:
            _sync(self._folder / folder)
        _sync(self._folder)
        grown = Manifest(
            parts=(*self.manifest.parts, *parts),
            rejects=(*self.manifest.rejects, *aside),
            short_files=short,
        )
        manifests.write(self._folder, grown)
        self.manifest = grown

    def _events(self, day: str, rows: dict[bytes, Event]) -> Part | None:
        times = [event.time for event in rows.values() if event.time is not None]
        span = (min(times), max(times)) if times and day != UNDATED else None
        there = [
            part for part in self.manifest.parts if part.partition == day and (span is None or _overlap(part, span))
        ]
        for known in self._known(there, list(rows), span):
            del rows[known]
        if not rows:
            return None
        ordered = sorted(rows.values(), key=lambda event: (event.time or 0, event.id))
        columns: dict[str, Sequence[object]] = {
            "id": [event.id for event in ordered],
            "time": [event.time for event in ordered],
            "file": [event.file for event in ordered],
            "offset": [event.offset for event in ordered],
            "source": [event.source for event in ordered],
        }
        columns |= dict(zip(FIELDS, zip(*(event.ecs for event in ordered), strict=True), strict=True))
        part = self._write(day, columns, _EVENTS)
        return part.model_copy(update={"first": ordered[0].time, "last": ordered[-1].time} if times else {})

    def _rejects(self, kept: dict[bytes, Reject]) -> Part | None:
        for known in self._known(self.manifest.rejects, list(kept), None):
            del kept[known]
        if not kept:
            return None
        columns = {name: [getattr(one, name) for one in kept.values()] for name in _REJECTS.names}
        return self._write(REJECTED, columns, _REJECTS)

    def _known(self, parts: Sequence[Part], ids: list[bytes], span: tuple[int, int] | None) -> list[bytes]:
        """Which of `ids` these parts have."""
        if not parts:
            return []
        asked = pa.table({"id": pa.array(ids, pa.binary(16))})  # noqa: F841 - DuckDB finds it by its name
        files = [str(self._folder / part.file) for part in parts]
        self._db.execute(*((_THERE, [files]) if span is None else (_THERE_THEN, [files, *span])))
        return [row[0] for row in self._db.fetchall()]

    def _write(self, folder: str, columns: Mapping[str, Sequence[object]], schema: pa.Schema) -> Part:
        name = f"{folder}/{uuid.uuid4().hex}.parquet"
        path = self._folder / name
        table = pa.table(columns, schema=schema)
        try:
            path.parent.mkdir(exist_ok=True)
            with path.open("wb") as file:
                pq.write_table(table, file, compression="zstd", compression_level=1)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise unwritten(path, error) from error
        return Part(file=name, partition=folder, rows=table.num_rows, arrived=stamp())

    def _sweep(self) -> None:
        """Remove what an interrupted writer left: files that the manifest does not name."""
        named = {self._folder / part.file for part in (*self.manifest.parts, *self.manifest.rejects)}
        for path in self._folder.glob("*/*.parquet"):
            if path not in named:
                path.unlink()


def _overlap(part: Part, span: tuple[int, int]) -> bool:
    return part.first is not None and part.last is not None and part.first <= span[1] and part.last >= span[0]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
