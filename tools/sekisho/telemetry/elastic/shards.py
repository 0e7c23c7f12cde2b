"""Shards that are about to start: a new day's index is there a moment before it can be searched.

A search that meets one is refused as a whole, for it must not answer for less than all. It is asked again for a while;
where no node has the shard, the refusal stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from elasticsearch import ApiError, Elasticsearch, TransportError

from sekisho.core.errors import Missing
from sekisho.core.language import Both

Answer = TypeVar("Answer")

PATIENCE = 15.0  # seconds
_PAUSE = 0.1  # seconds, and twice as long each time, up to a second
_SEARCH = "search_phase_execution_exception"
# Of a shard that no node has yet, or one that a node has and has not opened yet.
_ABSENT = {
    "no_shard_available_action_exception",
    "illegal_index_shard_state_exception",
    "index_shard_not_started_exception",
    "shard_not_found_exception",
}


def refresh(client: Elasticsearch, index: str) -> None:
    """Make all that the server took for these indices searchable; none need be there.

    Raises:
        ApiError, TransportError: as `awaited`.
        Missing: what was written last cannot be seen.
    """
    # A refresh would wait for a shard that is not there, for a minute, and not tell for what. This is refused at once.
    awaited(
        lambda: client.search(
            index=index,
            query={"match_none": {}},
            size=0,
            ignore_unavailable=True,
            allow_no_indices=True,
            allow_partial_search_results=False,
        )
    )
    told = client.indices.refresh(index=index, ignore_unavailable=True, allow_no_indices=True)
    if told["_shards"].get("failed"):
        raise Missing(
            Both("Elasticsearchの一部のシャードが応答しない", "some shards of Elasticsearch do not answer"),
            Both("`sekisho store status` で確認する", "see `sekisho store status`"),
        )


def awaited(ask: Callable[[], Answer]) -> Answer:
    """What a request answers once all shards are there that it needs.

    Raises:
        ApiError, TransportError: some are not, after some seconds; or the server refuses it for another reason.
    """
    end, pause = time.monotonic() + PATIENCE, _PAUSE
    while True:
        try:
            return ask()
        except ApiError as error:
            if not absent(error) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def absent(error: ApiError | TransportError) -> bool:
    """Whether a search was refused for shards that are not there, and for nothing else."""
    body: Any = error.body if isinstance(error, ApiError) else None
    fault = body.get("error") if isinstance(body, dict) else None
    if not isinstance(fault, dict) or fault.get("type") != _SEARCH:
        return False
    kinds = {one.get("reason", {}).get("type") for one in fault.get("failed_shards", ())}
    return kinds <= _ABSENT if kinds else body.get("status") == 503
