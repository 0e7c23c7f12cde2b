"""`sekisho store migrate`: what the embedded store holds goes into Elasticsearch, and the embedded one stays as it is.

Part by part; a part that was put is noted, so that a run that was killed goes on where it was. Done twice, it changes
nothing: Elasticsearch knows what it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from sekisho.core.errors import SekishoError
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.telemetry import conditions
from sekisho.telemetry.elastic import connection, days, short_files
from sekisho.telemetry.elastic.store import ElasticStore
from sekisho.telemetry.embedded.manifest import Manifest, Part
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Ecs, Event, Reject

_ROWS = 5000  # at once
_REJECT = ("id", "raw", "why", "file", "offset")


class Moved(NamedTuple):
    """How much was read so far and of how much, and how much of it Elasticsearch did not have."""

    rows: int
    all: int
    new: int
    refused: int = 0


class _Done(BaseModel):
    model_config = ConfigDict(extra="forbid")

    files: set[str] = set()


def migrate(source: EmbeddedStore, target: ElasticStore, folder: Path, tell: Callable[[Moved], None]) -> Moved:
    """Put all of the embedded store into Elasticsearch, and count afterwards; the state folder is `folder`.

    Raises:
        BadInput: another process is writing to one of them.
        Missing: Elasticsearch cannot be reached at the beginning.
        SekishoError: some days have fewer events afterwards than the embedded store.
    """
    path = folder / "migrate.json"
    with source.writing() as reader, target.writing() as writer:
        manifest, done = reader.manifest, _done(path)
        _keep_short_files(folder, manifest)
        moved = Moved(0, sum(part.rows for part in (*manifest.parts, *manifest.rejects)), 0)
        for part in (*manifest.parts, *manifest.rejects):
            if part.file in done.files:
                moved = moved._replace(rows=moved.rows + part.rows)
                continue
            before = writer.refused
            for events, rejects in _rows(source.folder, part):
                added = writer.put(events, rejects, arrived=part.arrived)
                rows = moved.rows + len(events) + len(rejects)
                moved = moved._replace(rows=rows, new=moved.new + added.new + added.rejected, refused=writer.refused)
                tell(moved)
            if writer.refused == before:
                done.files.add(part.file)
                write_atomic(path, done.model_dump_json())
        if not writer.refused:
            _compare(manifest, target)
    return moved


def _compare(manifest: Manifest, target: ElasticStore) -> None:
    """See that no day has fewer events than it had."""
    wanted: Counter[str] = Counter()
    for part in manifest.parts:
        wanted[part.partition] += part.rows
    with connection.telling(), target.client() as client:
        there = {day: one.events for day, one in days.of(client).items()}
        aside = days.rejected(client)
    short = [
        f"{day}: {there.get(day, 0):,} / {rows:,}" for day, rows in sorted(wanted.items()) if there.get(day, 0) < rows
    ]
    if aside < sum(part.rows for part in manifest.rejects):
        short.append(f"rejected: {aside:,}")
    if short:
        told = "; ".join(short)
        raise SekishoError(
            Both(
                f"移した後の件数が元より少ない({told})。元のイベントはそのまま残っている",
                f"some days have fewer events than before ({told}); the embedded store is as it was",
            ),
            Both(
                "migrate.json を削除して、もう一度 `sekisho store migrate` を実行する",
                "remove migrate.json and run `sekisho store migrate` again",
            ),
        )


def _rows(folder: Path, part: Part) -> Iterator[tuple[list[Event], list[Reject]]]:
    with pq.ParquetFile(folder / part.file) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            rejected = "why" in batch.schema.names
            columns = batch.select(_REJECT if rejected else conditions.COLUMNS).columns
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            if rejected:
                yield [], [Reject(*row) for row in rows]
            else:
                yield [_event(*row) for row in rows], []


def _event(
    key: bytes, time: int | None, source: str, file: str, offset: int, arrived: int | None, *ecs: str | None
) -> Event:
    return Event(key, time, source.encode(), file, offset, Ecs(*ecs), arrived)


def _done(path: Path) -> _Done:
    try:
        return _Done.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # from the front: Elasticsearch knows what it has
        return _Done()


def _keep_short_files(folder: Path, manifest: Manifest) -> None:
    digests = short_files.read(folder)
    for length, some in manifest.short_files.items():
        digests.setdefault(length, set()).update(some)
    short_files.keep(folder, digests)
