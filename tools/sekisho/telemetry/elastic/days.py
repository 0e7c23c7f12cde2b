"""The days in Elasticsearch: what each holds, and letting go of those in which nothing has arrived for long."""

from __future__ import annotations

from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from sekisho.core.clock import stamp
from sekisho.telemetry.elastic import shards, template
from sekisho.telemetry.event import moment

_DAYS = 20_000  # more than there are between the first year and the last
_AT_ONCE = 50  # indices that one request names


class Day(NamedTuple):
    """What one partition holds: events, octets on all nodes' disks (replicas too), and when the last one arrived."""

    events: int
    octets: int
    arrived: str


def of(client: Elasticsearch) -> dict[str, Day]:
    """Each partition that has events.

    Raises:
        ApiError, TransportError: the server does not answer for all.
    """
    shards.refresh(client, template.EVENTS)
    last = {"max": {"field": "event.ingested"}}
    found: Any = shards.awaited(
        lambda: client.search(
            index=template.EVENTS,
            size=0,
            aggregations={"days": {"terms": {"field": "_index", "size": _DAYS}, "aggregations": {"last": last}}},
            allow_no_indices=True,
            allow_partial_search_results=False,
        )
    ).body
    stats: Any = client.indices.stats(index=template.EVENTS, metric="store", filter_path="indices.*.total.store").body
    octets = {name: one["total"]["store"]["size_in_bytes"] for name, one in stats.get("indices", {}).items()}
    return {
        template.partition(one["key"]): Day(
            one["doc_count"], octets.get(one["key"], 0), stamp(moment(int(one["last"]["value"] or 0) * 1000))
        )
        for one in found.get("aggregations", {"days": {"buckets": ()}})["days"]["buckets"]
    }


def rejected(client: Elasticsearch) -> int:
    """How much was set aside.

    Raises:
        ApiError, TransportError: the server does not answer.
    """
    shards.refresh(client, template.REJECTED)
    found = shards.awaited(
        lambda: client.search(
            index=template.REJECTED,
            size=0,
            track_total_hits=True,
            ignore_unavailable=True,
            allow_partial_search_results=False,
        )
    )
    return int(found["hits"]["total"]["value"])


def expire(client: Elasticsearch, limit: str) -> int:
    """Let go of days in which nothing has arrived since a time (as `stamp` writes it); how many events went with them.

    The last arrival counts and not the events' own time, as in the embedded store. Nobody may write meanwhile.

    Raises:
        ApiError, TransportError: the server refuses it.
    """
    over = {name: day for name, day in of(client).items() if day.arrived < limit}
    names = [template.index(name) for name in sorted(over)]
    for begin in range(0, len(names), _AT_ONCE):
        client.indices.delete(index=names[begin : begin + _AT_ONCE], ignore_unavailable=True)
    return sum(day.events for day in over.values())
