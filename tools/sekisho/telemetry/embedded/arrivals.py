"""The embedded store in the order of its batches.

The manifest says with which batch a part came, and a part that was merged says it of each row: a merge changes nothing
in the order of arrival. Within a round, what is done is known by the names of parts, which are never given twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.telemetry.arrivals import Arrivals, Gone, Position
from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded import whole
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.embedded.part import BATCH
from sekisho.telemetry.event import Ecs, Event

_ROWS = 5_000  # at once
_COLUMNS = ("id", "time", "source", "file", "offset", "host.name", "user.name")


class Rows(NamedTuple):
    """A group of rows of a part, of which those are new whose batch is beyond `since`."""

    folder: Path
    part: Part
    number: int
    since: int

    @property
    def done(self) -> Position:
        """The group, by its name."""
        return {f"{self.part.file}#{self.number}": self.since}

    def events(self) -> Iterator[Sequence[Event]]:
        """The new events, some at once.

        Raises:
            Gone: the part was merged or let go.
            BadInput: it is damaged.
        """
        with _opened(self.folder, self.part) as file:
            names = [*_COLUMNS, *({BATCH} & set(file.schema_arrow.names))]
            for rows in file.iter_batches(_ROWS, row_groups=[self.number], columns=names, use_threads=False):
                new = rows.filter(pc.greater(rows[BATCH], self.since)) if BATCH in names else rows
                if len(new):
                    yield _events(new)


class BatchesOf:
    """The embedded store in a folder, batch by batch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def beyond(self, position: Position) -> Arrivals:
        """What came with later batches.

        Raises:
            BadInput: the manifest is damaged.
        """
        manifest, since = manifests.read(self._folder), position.get(BATCH, -1)
        if manifest.batch < since:  # it was restored from a backup, or is another: what one knows of it is of no use
            since, position = -1, {}
        new = sorted((part for part in manifest.parts if part.batch > since), key=lambda part: (part.batch, part.file))
        return Arrivals(self._pieces(new, since, position), {BATCH: manifest.batch})

    def _pieces(self, parts: Iterable[Part], since: int, position: Position) -> Iterator[Rows]:
        for part in parts:
            for number in self._groups(part, since):
                piece = Rows(self._folder, part, number, since)
                if not piece.done.keys() <= position.keys():
                    yield piece

    def _groups(self, part: Part, since: int) -> list[int]:
        """The groups of a part's rows in which something may be new."""
        with _opened(self._folder, part) as file:
            return [number for number in range(file.num_row_groups) if _last(file, number, part) > since]


@contextmanager
def _opened(folder: Path, part: Part) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(folder / part.file) as file:
            yield file
    except FileNotFoundError as error:
        if part in manifests.read(folder).parts:
            whole.see(folder, [part], error)
        raise Gone from error
    except (OSError, pa.ArrowException) as error:
        whole.see(folder, [part], error)
        raise


def _last(file: pq.ParquetFile, group: int, part: Part) -> int:
    """The last batch of a group of rows."""
    names = file.schema_arrow.names
    told = file.metadata.row_group(group).column(names.index(BATCH)).statistics if BATCH in names else None
    return int(told.max) if told is not None and told.has_min_max else part.batch


def _events(rows: pa.RecordBatch) -> list[Event]:
    columns = [rows[name].to_pylist() for name in _COLUMNS]
    return [
        Event(key, time, source.encode(), file, offset, Ecs(host__name=host, user__name=user))
        for key, time, source, file, offset, host, user in zip(*columns, strict=True)
    ]
