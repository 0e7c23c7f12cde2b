"""The embedded store's one writer.

A part is written, made durable, and only then named in the manifest; a crash between leaves a file that nobody names,
and the next writer removes it. An event that is there already is not taken again. Equal events have equal times, so
only parts whose times overlap a new one's are asked for its ids.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded import part as parts
from sekisho.telemetry.embedded import tidy
from sekisho.telemetry.embedded.manifest import Manifest, Part
from sekisho.telemetry.embedded.part import Written
from sekisho.telemetry.event import UNDATED, Event, Reject
from sekisho.telemetry.store import Added

_THERE = "SELECT id FROM asked SEMI JOIN (SELECT id FROM read_parquet(?)) USING (id)"
_THERE_THEN = "SELECT id FROM asked SEMI JOIN (SELECT id FROM read_parquet(?) WHERE time BETWEEN ? AND ?) USING (id)"


class Writer:
    """Takes parts into the store; made by `EmbeddedStore.writing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = manifests.read(folder)
        self._db = duckdb.connect()
        self._sweep()

    def put(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Added:
        """Take a batch; when this returns, what was new of it is in the store, durably.

        Raises:
            Missing: the disk is full, or the folder cannot be written; then nothing of it is in the store.
        """
        short = self.manifest.short_files
        added = self.take(parts.of_events(self.folder, events), parts.of_rejects(self.folder, rejects), short)
        tidy.merge(self)  # batches come as the terminals send them, and they may be small
        return added

    def take(
        self,
        events: Sequence[Written],
        rejects: Sequence[Written] = (),
        short_files: Mapping[int, Iterable[str]] | None = None,
    ) -> Added:
        """Make written parts the store's, without what it has already; when this returns they are in it, durably.

        Raises:
            Missing: the disk is full, or the folder cannot be written; then nothing of them is in the store.
        """
        new = [one.part for part in events if (one := self._new(part, self._contemporaries(part.part)))]
        aside = [one.part for part in rejects if (one := self._new(part, self.manifest.rejects))]
        short = {length: tuple(sorted(digests)) for length, digests in (short_files or {}).items()}
        if new or aside or short != self.manifest.short_files:
            now = self.manifest
            self.commit(Manifest(parts=(*now.parts, *new), rejects=(*now.rejects, *aside), short_files=short))
        return Added(sum(part.rows for part in new), sum(part.rows for part in aside))

    def commit(self, after: Manifest) -> None:
        """Make a manifest the store's; the parts that it names and the one before did not are made durable first.

        Parts that it names no longer are removed afterwards; a reader that has the manifest before asks again.
        """
        before = {part.file for part in (*self.manifest.parts, *self.manifest.rejects)}
        named = {part.file for part in (*after.parts, *after.rejects)}
        for folder in {Path(file).parent for file in named - before}:
            _sync(self.folder / folder)
        _sync(self.folder)
        manifests.write(self.folder, after)
        self.manifest = after
        for file in before - named:
            (self.folder / file).unlink(missing_ok=True)

    def _contemporaries(self, part: Part) -> list[Part]:
        dated = part.partition != UNDATED
        return [
            one for one in self.manifest.parts if one.partition == part.partition and not (dated and _apart(one, part))
        ]

    def _new(self, written: Written, there: Sequence[Part]) -> Written | None:
        """A written part without what these parts have."""
        if not there:
            return written
        asked = pa.table({"id": pa.array(written.ids, pa.binary(16))})  # noqa: F841 - DuckDB finds it by its name
        files, part = [str(self.folder / one.file) for one in there], written.part
        dated = part.partition not in {UNDATED, parts.REJECTED}
        self._db.execute(*((_THERE_THEN, [files, part.first, part.last]) if dated else (_THERE, [files])))
        known = [row[0] for row in self._db.fetchall()]
        return parts.without(self.folder, written, known) if known else written

    def _sweep(self) -> None:
        """Remove what an interrupted writer left: files that the manifest does not name."""
        named = {self.folder / part.file for part in (*self.manifest.parts, *self.manifest.rejects)}
        for path in self.folder.glob("*/*.parquet"):
            if path not in named:
                path.unlink()
        for room in self.folder.glob(f"{parts.MERGING}*"):
            shutil.rmtree(room, ignore_errors=True)


def _apart(one: Part, other: Part) -> bool:
    if one.first is None or one.last is None or other.first is None or other.last is None:
        return False
    return one.last < other.first or one.first > other.last


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
