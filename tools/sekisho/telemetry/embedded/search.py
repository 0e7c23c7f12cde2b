"""Searching the embedded store: the terms of a query become one statement over the parts that can hold an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded.manifest import Part
from sekisho.telemetry.event import FIELDS, UNDATED, Ecs, Event
from sekisho.telemetry.query import Search, Span, Term

_COLUMNS = ("id", "time", "source", "file", "offset", *FIELDS)

_CHANCES = 5


def events(folder: Path, asked: Search, *, limit: int | None = None) -> Iterator[Event]:
    """The events that match, the latest first; those without a time come last."""
    tail = " ORDER BY time DESC NULLS LAST, id" + (f" LIMIT {limit:d}" if limit else "")
    with duckdb.connect() as db:
        found = _answer(db, folder, asked, ", ".join(map(_quoted, _COLUMNS)), tail)
        while rows := found.fetchmany(1000) if found else []:
            for key, time, source, file, offset, *ecs in rows:
                yield Event(key, time, source.encode(), file, offset, Ecs(*ecs))


def count(folder: Path, asked: Search) -> int:
    """How many events match."""
    with duckdb.connect() as db:
        found = _answer(db, folder, asked, "count(*)")
        row = found.fetchone() if found else None
    return int(row[0]) if row else 0


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
    conditions: list[str] = []
    values: list[object] = [files]
    for bound, sign in ((asked.span.since, ">="), (asked.span.until, "<")):
        if bound is not None:
            conditions.append(f"time {sign} ?")
            values.append(bound)
    for term in asked.terms:
        condition, some = _condition(term)
        conditions.append(f"NOT coalesce({condition}, false)" if term.negated else condition)
        values += some
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {columns} FROM read_parquet(?){where}", values  # noqa: S608 - names are ours, values are bound


def _may_hold(part: Part, span: Span) -> bool:
    if span.since is None and span.until is None:
        return True
    if part.first is None or part.last is None:
        return part.partition == UNDATED
    return (span.since is None or part.last >= span.since) and (span.until is None or part.first < span.until)


def _condition(term: Term) -> tuple[str, list[object]]:
    if term.field is None:
        # The source is kept as it came: its JSON may have written the text in another way.
        ways = {term.value, _json(term.value), _json(term.value, ascii_only=True)}
        patterns: list[object] = [f"%{_like(way, wild=term.wild)}%" for way in sorted(ways)]
        return "(" + " OR ".join(["source ILIKE ? ESCAPE '\\'"] * len(patterns)) + ")", patterns
    pattern = _like(term.value, wild=term.wild)
    if term.field in FIELDS:
        return f"{_quoted(term.field)} ILIKE ? ESCAPE '\\'", [pattern]
    # A message is not kept a second time: it is the source's own.
    paths = [_path([name]) for name in ("message", "Message")]
    if term.field != "message":
        paths = [_path(term.field.split(".")), _path([term.field])]
    return "coalesce(json_extract_string(source, ?), json_extract_string(source, ?)) ILIKE ? ESCAPE '\\'", [
        *paths,
        pattern,
    ]


def _like(text: str, *, wild: bool) -> str:
    escaped = "".join(f"\\{one}" if one in "\\%_" else one for one in text)
    return escaped.replace("*", "%").replace("?", "_") if wild else escaped


def _json(text: str, *, ascii_only: bool = False) -> str:
    """The text as JSON writes it between quotes: as it is, or with its other letters in hexadecimal."""
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _path(keys: Sequence[str]) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)


def _quoted(name: str) -> str:
    return f'"{name}"'
