"""Searching in Elasticsearch: Lucene narrows, and every store's own conditions judge what it lets through."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import duckdb
import pyarrow as pa
from elasticsearch import Elasticsearch

from sekisho.telemetry import conditions
from sekisho.telemetry.elastic import document, narrow, point, shards, template
from sekisho.telemetry.event import FIELDS, Event
from sekisho.telemetry.query import Search

_ORDER: list[dict[str, Any]] = [{"sekisho.time": {"order": "desc", "missing": "_last"}}, {"event.id": {"order": "asc"}}]
_TYPES = pa.schema(
    [
        ("id", pa.binary()),
        ("time", pa.int64()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        *((name, pa.string()) for name in FIELDS),
    ]
)


def events(client: Elasticsearch, asked: Search, *, limit: int | None = None) -> Iterator[Event]:
    """The events that match, the latest first; those without a time come last."""
    with duckdb.connect() as db, closing(_pages(client, asked)) as pages:
        yield from islice((event for page in pages for event in _judged(db, asked, page)), limit or None)


def count(client: Elasticsearch, asked: Search) -> int:
    """How many events match."""
    if narrow.exact(asked):
        shards.refresh(client, template.EVENTS)
        found = shards.awaited(
            lambda: client.search(
                index=template.EVENTS,
                query=narrow.query(asked, ()),
                size=0,
                track_total_hits=True,
                allow_no_indices=True,
                allow_partial_search_results=False,
            )
        )
        return int(found["hits"]["total"]["value"])
    with duckdb.connect() as db, closing(_pages(client, asked)) as pages:
        return sum(len(_judged(db, asked, page)) for page in pages)


def _pages(client: Elasticsearch, asked: Search) -> Generator[list[Event], None, None]:
    """The candidates, in the order of the answer; all of one moment."""
    with point.opened(client) as moment:
        if moment is not None:
            mapped = _mapped(client, narrow.names(asked))
            yield from moment.pages(narrow.query(asked, mapped), _ORDER, document.WANTED)


def _mapped(client: Elasticsearch, names: Sequence[str]) -> set[str]:
    """Those fields that some index has; of our own, the index has them in all events and they are no answer."""
    if not names:
        return set()
    return set(client.field_caps(index=template.EVENTS, fields=list(names), allow_no_indices=True)["fields"])


def _judged(db: duckdb.DuckDBPyConnection, asked: Search, some: list[Event]) -> list[Event]:
    """Those events that match."""
    if narrow.exact(asked) or not some:
        return some
    rows = [(one.id, one.time, one.source, one.file, one.offset, *one.ecs) for one in some]
    columns = [pa.array(list(column), kind) for column, kind in zip(zip(*rows, strict=True), _TYPES.types, strict=True)]
    page = pa.table(columns, schema=_TYPES).append_column("row", pa.array(range(len(some))))  # noqa: F841 - named below
    clause, values = conditions.where(asked)
    db.execute(f"SELECT row FROM page{clause} ORDER BY row", values)  # noqa: S608 - names are ours, values are bound
    return [some[row] for (row,) in db.fetchall()]
