"""The embedded store's one writer.

A part is written, made durable, and only then named in the manifest; a crash between leaves a file that nobody names,
and the next writer removes it. An event that is there already is not taken again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sekisho.core.files import unwritten
from sekisho.telemetry.embedded import known, tidy
from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded import part as parts
from sekisho.telemetry.embedded.manifest import Manifest, Part
from sekisho.telemetry.embedded.part import Batch, Parts, Written
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.store import Added


class Writer:
    """Takes parts into the store; made by `EmbeddedStore.writing`."""

    largest = 32 * 1024 * 1024

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = manifests.read(folder)
        self._sweep()

    def put(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Added:
        """Take a batch; when this returns, what was new of it is in the store, durably.

        Raises:
            Missing: the disk is full, or the folder cannot be written; then nothing of it is in the store.
        """
        batch = self.batch()
        batch.add(events, rejects)
        added = self.take([batch.ready()], self.manifest.short_files)
        tidy.merge(self)  # batches come as the terminals send them, and they may be small
        return added

    def begin(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Callable[[], Added]:
        """`put` the batch: nobody else is at work here, so there is nothing to wait for afterwards.

        Raises:
            Missing: as above.
        """
        added = self.put(events, rejects)
        return lambda: added

    def short_files(self) -> dict[int, set[str]]:
        """How short files began, by that length."""
        return {length: set(digests) for length, digests in self.manifest.short_files.items()}

    def batch(self) -> Batch:
        """An empty one, whose parts are written to the store's folder."""
        return Batch(self.folder)

    def take(self, some: Sequence[Parts], short_files: Mapping[int, Iterable[str]]) -> Added:
        """Make written parts the store's, without what it has already; when this returns they are in it, durably.

        Raises:
            Missing: the disk is full, or the folder cannot be written; then nothing of them is in the store.
        """
        new: list[Part] = []
        for written in (written for one in some for written in one.events):
            new += self._new(written, (*self.manifest.parts, *new))
        aside: list[Part] = []
        for written in (written for one in some for written in one.rejects):
            aside += self._new(written, (*self.manifest.rejects, *aside))
        short = {length: tuple(sorted(digests)) for length, digests in short_files.items()}
        if new or aside or short != self.manifest.short_files:
            now, batch = self.manifest, self.manifest.next_batch()
            new = [part.model_copy(update={"batch": batch}) for part in new]
            parts_now, rejects_now = (*now.parts, *new), (*now.rejects, *aside)
            self.commit(Manifest(batch=batch, parts=parts_now, rejects=rejects_now, short_files=short))
        return Added(sum(part.rows for part in new), sum(part.rows for part in aside))

    def commit(self, after: Manifest) -> None:
        """Make a manifest the store's; the parts that it names and the one before did not are made durable first.

        Parts that it names no longer are removed afterwards; a reader that has the manifest before asks again.
        """
        before = {part.file for part in (*self.manifest.parts, *self.manifest.rejects)}
        named = {part.file for part in (*after.parts, *after.rejects)}
        new = [self.folder / file for file in sorted(named - before)]
        for path in (*new, *{file.parent for file in new}, self.folder):
            _sync(path)
        manifests.write(self.folder, after)
        self.manifest = after
        for file in before - named:
            (self.folder / file).unlink(missing_ok=True)

    def _new(self, written: Written, there: Iterable[Part]) -> list[Part]:
        """A written part without what these parts have; nothing if they have all of it."""
        gone = known.of(self.folder, written, there)
        return parts.without(self.folder, written, gone) if gone else [written.part]

    def _sweep(self) -> None:
        """Remove what an interrupted writer left: files that the manifest does not name."""
        named = {self.folder / part.file for part in (*self.manifest.parts, *self.manifest.rejects)}
        for path in self.folder.glob("*/*.parquet"):
            if path not in named:
                path.unlink()


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise unwritten(path, error) from error
