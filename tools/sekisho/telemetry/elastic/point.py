"""One moment of the events in Elasticsearch, read by pages: what is written or let go of meanwhile changes nothing.

All of it or an error: a shard that does not answer, or a day that was closed, is never left out in silence.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from sekisho.telemetry.elastic import document, shards, template
from sekisho.telemetry.event import Event

_FIRST_PAGE = 200  # documents; the next ones are as large as memory allows
_LARGEST_PAGE = 5000
_OCTETS = 16 * 1024 * 1024  # of the sources of a page
_KEEP = "15m"  # from one page to the next: who reads may stop for a while
_BUSY = 429  # its memory or its queues are full
_PAUSES = (1, 2, 4, 8, 15, 30)  # seconds; then it is told

# As the events of a store lie: the quickest order there is, and never an event twice.
AS_THEY_LIE: Sequence[Any] = ("_shard_doc",)


class Point:
    """A point in time; `id` is the server's name of it, by which other processes find it too."""

    def __init__(self, client: Elasticsearch, key: str) -> None:
        self.id = key
        self._client = client

    def ask(self, **asked: Any) -> Any:  # noqa: ANN401 - a body of the server's
        """The answer to one search.

        Raises:
            ApiError, TransportError: the server refuses it, or does not answer for all.
        """
        found: Any = self._client.search(
            pit={"id": self.id, "keep_alive": _KEEP}, allow_partial_search_results=False, **asked
        ).body
        self.id = found.get("pit_id", self.id)
        return found

    def pages(
        self, query: dict[str, Any], sort: Sequence[Any], fields: Sequence[str]
    ) -> Generator[list[Event], None, None]:
        """The events of a query in an order, each with these fields.

        Raises:
            ApiError, TransportError: as above.
        """
        after, size, pauses = None, _FIRST_PAGE, iter(_PAUSES)
        while True:
            try:
                found = self.ask(
                    query=query,
                    sort=list(sort),
                    size=size,
                    search_after=after,
                    source={"includes": list(fields)},
                    track_total_hits=False,
                )
            except ApiError as error:
                if error.meta.status != _BUSY or (pause := next(pauses, None)) is None:
                    raise
                size = max(1, size // 4)
                time.sleep(pause)
                continue
            hits = found["hits"]["hits"]
            page = [document.event(hit) for hit in hits]
            yield page
            if len(hits) < size:
                return
            average = sum(len(one.source) for one in page) // len(page) + 1
            after, pauses = hits[-1]["sort"], iter(_PAUSES)
            size = max(1, min(_OCTETS // average, 4 * size, _LARGEST_PAGE))


@contextmanager
def opened(client: Elasticsearch) -> Iterator[Point | None]:
    """A point in time over all that is there; None if no index is there yet.

    Raises:
        ApiError, TransportError: the server does not answer for all of it.
        Missing: what was written last cannot be seen.
    """
    shards.refresh(client, template.EVENTS)
    try:
        # A closed day is named too, so that the server refuses: left out, nobody would know.
        found = shards.awaited(
            lambda: client.open_point_in_time(
                index=template.EVENTS, keep_alive=_KEEP, expand_wildcards=["open", "closed"]
            )
        )
    except NotFoundError:
        yield None
        return
    point = Point(client, found["id"])
    try:
        yield point
    finally:
        client.options(ignore_status=404).close_point_in_time(id=point.id)
