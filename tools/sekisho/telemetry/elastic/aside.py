"""What is set aside in Elasticsearch."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from sekisho.telemetry.elastic import shards, template
from sekisho.telemetry.event import Aside, Reject

_KEEP = "5m"
_PAGE = 100  # each may have 64 KiB
_ORDER: list[dict[str, Any]] = [
    {"event.ingested": {"order": "desc"}},
    {"log.file.path": {"order": "asc", "missing": "_last"}},
    {"log.offset": {"order": "asc"}},
    {"event.id": {"order": "asc"}},
]
_WANTED = ["event.ingested", "error.message", "log.file.path", "log.offset", "sekisho.raw"]


def of(client: Elasticsearch) -> Iterator[Aside]:
    """What was set aside last comes first, then as it stood in its file.

    Raises:
        ApiError, TransportError: the server does not answer for all.
    """
    shards.refresh(client, template.REJECTED)
    try:
        opened = shards.awaited(lambda: client.open_point_in_time(index=template.REJECTED, keep_alive=_KEEP))
    except NotFoundError:  # nothing ever was
        return
    point, after = opened["id"], None
    try:
        while True:
            found: Any = client.search(
                pit={"id": point, "keep_alive": _KEEP},
                sort=_ORDER,
                size=_PAGE,
                search_after=after,
                source={"includes": _WANTED},
                track_total_hits=False,
                allow_partial_search_results=False,
            ).body
            point, hits = found.get("pit_id", point), found["hits"]["hits"]
            yield from map(_aside, hits)
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]
    finally:
        client.options(ignore_status=404).close_point_in_time(id=point)


def _aside(hit: dict[str, Any]) -> Aside:
    found = hit["_source"]
    raw = base64.b64decode(found["sekisho.raw"])
    reject = Reject(bytes.fromhex(hit["_id"]), raw, found["error.message"], found["log.file.path"], found["log.offset"])
    return Aside(reject, found["event.ingested"])
