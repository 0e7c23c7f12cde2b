"""The embedded store's parts, as they are at one moment: what is merged or let go meanwhile is still read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from sekisho.core.errors import Missing
from sekisho.core.language import Both
from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.event import Ecs, Event
from sekisho.telemetry.query import Span

_CHANCES = 5
_ROWS = 10_000
_COLUMNS = ["id", "time", "source", "file", "offset", "host.name", "user.name"]


@contextmanager
def parts(folder: Path, span: Span) -> Iterator[list[Path]]:
    """The store's parts that may hold events of a span, in the order of their times, each open until this ends.

    Raises:
        Missing: the store's parts are gone.
    """
    files: list[BinaryIO] = []
    try:
        for chance in range(_CHANCES):
            some = [part for part in manifests.read(folder).parts if _may_hold(part, span)]
            some.sort(key=lambda part: (part.first is None, part.first or 0, part.file))
            try:
                files += [(folder / part.file).open("rb") for part in some]
                break
            except FileNotFoundError as error:  # merged meanwhile: the manifest names others now
                while files:
                    files.pop().close()
                if chance == _CHANCES - 1:
                    raise Missing(
                        Both(f"{folder} の一部がない", f"a part of {folder} is gone"),
                        Both("控えから戻す", "restore it from the backup"),
                    ) from error
        yield [Path(f"/proc/{os.getpid()}/fd/{file.fileno()}") for file in files]
    finally:
        for file in files:
            file.close()


def events(path: Path, span: Span) -> Iterator[list[Event]]:
    """The events of a part that are of a span, some at once; of their ECS fields only the host and the user."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=_COLUMNS):
            columns = [batch.column(name).to_pylist() for name in _COLUMNS]
            yield [
                Event(key, time, source.encode(), name, offset, Ecs(host__name=host, user__name=user))
                for key, time, source, name, offset, host, user in zip(*columns, strict=True)
                if within(time, span)
            ]


def within(time: int | None, span: Span) -> bool:
    """Whether a time is of a span; what has no time is only if that has no end at all."""
    if time is None:
        return span == Span()
    return (span.since is None or time >= span.since) and (span.until is None or time < span.until)


def _may_hold(part: Part, span: Span) -> bool:
    if span == Span():
        return True
    if part.first is None or part.last is None:
        return False
    return (span.since is None or part.last >= span.since) and (span.until is None or part.first < span.until)
