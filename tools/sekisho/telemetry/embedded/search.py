"""Searching the embedded store: one statement over the parts that can hold an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sekisho.telemetry import conditions
from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded import whole
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.event import UNDATED, Ecs, Event
from sekisho.telemetry.query import Search, Span

_CHANCES = 5


def events(folder: Path, asked: Search, *, limit: int | None = None) -> Iterator[Event]:
    """The events that match, the latest first; those without a time come last.

    Raises:
        BadInput: a part of the store is damaged.
    """
    tail = " ORDER BY time DESC NULLS LAST, id" + (f" LIMIT {limit:d}" if limit else "")
    with _telling(folder), duckdb.connect() as db:
        found = _answer(db, folder, asked, conditions.columns(), tail)
        while rows := found.fetchmany(1000) if found else []:
            for key, time, source, file, offset, arrived, *ecs in rows:
                yield Event(key, time, source.encode(), file, offset, Ecs(*ecs), arrived)


def count(folder: Path, asked: Search) -> int:
    """How many events match.

    Raises:
        BadInput: a part of the store is damaged.
    """
    with _telling(folder), duckdb.connect() as db:
        found = _answer(db, folder, asked, "count(*)")
        row = found.fetchone() if found else None
    return int(row[0]) if row else 0


@contextmanager
def _telling(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        whole.see(folder, manifests.read(folder).parts, error)
        raise


def _answer(
    db: duckdb.DuckDBPyConnection, folder: Path, asked: Search, columns: str, tail: str = ""
) -> duckdb.DuckDBPyConnection | None:
    """The answer of the parts as they are now; None if there are none that can hold one."""
    for chance in range(_CHANCES):
        statement, values = _statement(folder, asked, columns)
        if statement is None:
            return None
        try:
            return db.execute(statement + tail, values)
        except duckdb.IOException:  # its parts were merged meanwhile: the manifest names others now
            if chance == _CHANCES - 1:
                raise
    return None


def _statement(folder: Path, asked: Search, columns: str) -> tuple[str | None, list[object]]:
    files = [str(folder / part.file) for part in manifests.read(folder).parts if _may_hold(part, asked.span)]
    if not files:
        return None, []
    clause, values = conditions.where(asked)
    return f"SELECT {columns} FROM read_parquet(?){clause}", [files, *values]  # noqa: S608 - names are ours, values are bound


def _may_hold(part: Part, span: Span) -> bool:
    if span.since is None and span.until is None:
        return True
    if part.first is None or part.last is None:
        return part.partition == UNDATED
    return (span.since is None or part.last >= span.since) and (span.until is None or part.first < span.until)
