"""All events of a span in the embedded store, at one moment, in pieces that several processes read side by side.

A piece is a group of rows of a part. Parts stay open until all is read: what is merged or let go of meanwhile is there.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.core.errors import Missing
from sekisho.core.language import Both
from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded import whole
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.event import Ecs, Event
from sekisho.telemetry.query import Span

_CHANCES = 5
_ROWS = 10_000
_COLUMNS = ["id", "time", "source", "file", "offset", "host.name", "user.name"]


class EmbeddedPiece(NamedTuple):
    """A group of rows of a part, which this process holds open, and the span that is asked for."""

    path: Path
    group: int
    span: Span
    since: int | None
    size: int

    def events(self) -> Iterator[list[Event]]:
        """The events that are of the span, some at once; of their ECS fields only the host and the user."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_ROWS, row_groups=[self.group], columns=_COLUMNS):
                columns = [batch.column(name).to_pylist() for name in _COLUMNS]
                yield [
                    Event(key, time, source.encode(), name, offset, Ecs(host__name=host, user__name=user))
                    for key, time, source, name, offset, host, user in zip(*columns, strict=True)
                    if within(time, self.span)
                ]


@contextmanager
def pieces(folder: Path, span: Span) -> Iterator[list[EmbeddedPiece]]:
    """The pieces that may hold events of a span, in the order of their first times; those without a time come last.

    Raises:
        Missing: the store's parts are gone.
        BadInput: a part is damaged.
    """
    files: list[BinaryIO] = []
    parts: list[Part] = []
    try:
        for chance in range(_CHANCES):
            parts = [part for part in manifests.read(folder).parts if _may_hold(part.first, part.last, span)]
            _allow(len(parts))
            try:
                files += [(folder / part.file).open("rb") for part in parts]
                break
            except FileNotFoundError as error:  # merged meanwhile: the manifest names others now
                while files:
                    files.pop().close()
                if chance == _CHANCES - 1:
                    raise Missing(
                        Both(f"{folder} の一部がない", f"a part of {folder} is gone"),
                        Both("控えから戻す", "restore it from the backup"),
                    ) from error
        found = [one for part, file in zip(parts, files, strict=True) for one in _groups(part, file, span)]
        yield sorted(found, key=lambda one: (one.since is None, one.since or 0))
    except (OSError, pa.ArrowException) as error:
        whole.see(folder, parts, error)
        raise
    finally:
        for file in files:
            file.close()


def within(time: int | None, span: Span) -> bool:
    """Whether a time is of a span; what has no time is only if that has no end at all."""
    if time is None:
        return span == Span()
    return (span.since is None or time >= span.since) and (span.until is None or time < span.until)


def _groups(part: Part, file: BinaryIO, span: Span) -> Iterator[EmbeddedPiece]:
    path = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    about: Any = pq.read_metadata(file)
    column = about.schema.to_arrow_schema().names.index("time")
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        times = group.column(column).statistics
        known = times is not None and times.has_min_max
        first, last = (times.min, times.max) if known else (part.first, part.last)
        if _may_hold(first, last, span):
            yield EmbeddedPiece(path, number, span, first, group.num_rows)


def _may_hold(first: int | None, last: int | None, span: Span) -> bool:
    if span == Span():
        return True
    if first is None or last is None:
        return False
    return (span.since is None or last >= span.since) and (span.until is None or first < span.until)


def _allow(files: int) -> None:
    """Have this process hold so many more files open, if it may: years have more parts than it usually can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files + soft
    if files > soft // 2:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
