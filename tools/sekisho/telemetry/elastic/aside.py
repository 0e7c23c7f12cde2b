"""What is set aside in Elasticsearch."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from sekisho.core.errors import Missing
from sekisho.core.language import Both
from sekisho.telemetry.elastic import connection, shards, template
from sekisho.telemetry.event import Aside, Reject

_KEEP = "5m"
_PAGE = 100  # each may have 64 KiB
_AT_ONCE = 5_000  # of which only the ids are asked
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


def expire(client: Elasticsearch, limit: str) -> int:
    """Let go of what was set aside before a time (as `stamp` writes it); how many lines.

    Raises:
        ApiError, TransportError, Missing: the server refuses it; what went is gone.
    """
    gone = 0
    while True:
        shards.refresh(client, template.REJECTED)
        found: Any = client.search(
            index=template.REJECTED,
            query={"range": {"event.ingested": {"lt": limit}}},
            size=_AT_ONCE,
            source=False,
            ignore_unavailable=True,
            allow_partial_search_results=False,
        ).body
        old = [{"delete": {"_index": template.REJECTED, "_id": hit["_id"]}} for hit in found["hits"]["hits"]]
        if not old:
            return gone
        told: Any = client.bulk(operations=old).body
        for one in told["items"]:
            if (fault := one["delete"].get("error")) is not None:
                why = connection.of_fault(one["delete"]["status"], fault)
                raise Missing(
                    Both(f"Elasticsearch: {why.ja}", f"Elasticsearch: {why.en}"),
                    Both("行を削除できる利用者で実行する", "run it as a user that may delete"),
                )
        gone += len(old)


def _aside(hit: dict[str, Any]) -> Aside:
    found = hit["_source"]
    raw = base64.b64decode(found["sekisho.raw"])
    reject = Reject(bytes.fromhex(hit["_id"]), raw, found["error.message"], found["log.file.path"], found["log.offset"])
    return Aside(reject, found["event.ingested"])
