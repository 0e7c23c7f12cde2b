"""Searching in Elasticsearch: Lucene narrows, and every store's own conditions judge what it lets through."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import duckdb
import pyarrow as pa
from elasticsearch import Elasticsearch, NotFoundError

from sekisho.telemetry import conditions
from sekisho.telemetry.elastic import document, narrow, shards, template
from sekisho.telemetry.event import FIELDS, Event
from sekisho.telemetry.query import Search

_FIRST_PAGE = 200  # documents; the next ones are as large as memory allows
_LARGEST_PAGE = 5000
_OCTETS = 16 * 1024 * 1024  # of the sources of a page
_KEEP = "5m"
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
    shards.refresh(client, template.EVENTS)
    try:
        opened = shards.awaited(lambda: client.open_point_in_time(index=template.EVENTS, keep_alive=_KEEP))
    except NotFoundError:  # no index is there yet
        return
    point = opened["id"]
    try:
        mapped = _mapped(client, narrow.names(asked))
        wanted, after, size = narrow.query(asked, mapped), None, _FIRST_PAGE
        while True:
            found: Any = client.search(
                pit={"id": point, "keep_alive": _KEEP},
                query=wanted,
                sort=_ORDER,
                size=size,
                search_after=after,
                source={"includes": document.WANTED},
                track_total_hits=False,
                allow_partial_search_results=False,
            ).body
            point, hits = found.get("pit_id", point), found["hits"]["hits"]
            page = [document.event(hit) for hit in hits]
            yield page
            if len(hits) < size:
                return
            average = sum(len(one.source) for one in page) // len(page) + 1
            after, size = hits[-1]["sort"], max(1, min(_OCTETS // average, 4 * size, _LARGEST_PAGE))
    finally:
        client.options(ignore_status=404).close_point_in_time(id=point)


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
