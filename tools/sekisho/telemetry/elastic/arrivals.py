"""Elasticsearch in the order in which each shard took its documents: by their sequence numbers.

Up to the global checkpoint every copy of a shard has all of them, for good. It is asked first; the refresh after that
makes them visible; so what a search finds then is complete. Never a time: a document may be visible long after its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch, NotFoundError

from sekisho.core.errors import Missing
from sekisho.core.language import Both
from sekisho.telemetry.arrivals import Arrivals, Gone, Position
from sekisho.telemetry.elastic import connection, document, template
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.event import Event

_STEP = 20_000  # numbers of a piece
_FIRST_PAGE = 500  # documents; the next ones are as large as memory allows
_LARGEST_PAGE = 5_000
_OCTETS = 16 * 1024 * 1024  # of the sources of a page
_WANTED = (*document.WANTED[: document.WANTED.index("sekisho.time") + 1], "host.name", "user.name")


class Shard(NamedTuple):
    """A shard: `place` has the identity of its index, which another of the same name does not have."""

    of: str
    number: str
    place: str
    checkpoint: int


class Numbers(NamedTuple):
    """Documents of a shard by their sequence numbers: beyond `after`, up to `until`."""

    settings: Settings
    shard: Shard
    after: int
    until: int

    @property
    def done(self) -> Position:
        """How far the shard was read."""
        return {self.shard.place: self.until}

    def events(self) -> Iterator[Sequence[Event]]:
        """The events, some at once.

        Raises:
            Gone: the index was deleted.
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        after, size = self.after, _FIRST_PAGE
        while True:
            hits = self._page(after, size)
            if hits:
                page = [document.event(hit) for hit in hits]
                yield page
                average = sum(len(one.source) for one in page) // len(page) + 1
            if len(hits) < size:
                return
            after, size = hits[-1]["sort"][0], max(1, min(_OCTETS // average, 4 * size, _LARGEST_PAGE))

    def _page(self, after: int, size: int) -> list[Any]:
        try:
            with connection.telling():
                found: Any = _client(self.settings).search(
                    index=self.shard.of,
                    preference=f"_shards:{self.shard.number}",
                    query={"range": {"_seq_no": {"gt": after, "lte": self.until}}},
                    sort=[{"_seq_no": "asc"}],
                    size=size,
                    source={"includes": _WANTED},
                    track_total_hits=False,
                    allow_partial_search_results=False,
                )
        except Missing as error:
            _client.cache_clear()  # its secret may have been changed
            if isinstance(error.__cause__, NotFoundError):
                raise Gone from error
            raise
        return list(found["hits"]["hits"])


class ShardsOf:
    """All shards of a cluster's events."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def beyond(self, position: Position) -> Arrivals:
        """What each shard took later.

        Raises:
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        try:
            with connection.telling():
                client = _client(self._settings)
                there, shards = _indices(client), _shards(client)
                new = [one for one in shards if one.checkpoint > position.get(one.place, -1)]
                _refresh(client, sorted({one.of for one in new}))
        except Missing:
            _client.cache_clear()
            raise
        after = {place: number for place, number in position.items() if place.partition("/")[0] in there}
        after |= {one.place: max(one.checkpoint, after.get(one.place, -1)) for one in shards}
        return Arrivals(self._pieces(new, position), after)

    def _pieces(self, shards: Sequence[Shard], position: Position) -> Iterator[Numbers]:
        for one in shards:
            for after in range(position.get(one.place, -1), one.checkpoint, _STEP):
                yield Numbers(self._settings, one, after, min(after + _STEP, one.checkpoint))


@lru_cache(maxsize=1)
def _client(settings: Settings) -> Elasticsearch:
    """The connection of this process."""
    return connection.connect(settings, attempts=len(settings.urls) + 1)


def _indices(client: Elasticsearch) -> set[str]:
    """The identities of all indices of events, those among them of which no shard is there at the moment."""
    found: Any = client.indices.get_settings(
        index=template.EVENTS, allow_no_indices=True, filter_path="*.settings.index.uuid"
    ).body
    return {one["settings"]["index"]["uuid"] for one in found.values()}


def _shards(client: Elasticsearch) -> list[Shard]:
    """Each shard that is there, and how far all its copies have all."""
    paths = "indices.*.uuid,indices.*.shards.*.seq_no,indices.*.shards.*.routing.primary"
    told: Any = client.indices.stats(index=template.EVENTS, level="shards", metric="docs", filter_path=paths).body
    found: Mapping[str, Any] = told.get("indices", {})
    return [
        Shard(index, number, f"{one['uuid']}/{number}", int(copy["seq_no"]["global_checkpoint"]))
        for index, one in sorted(found.items())
        for number, copies in sorted(one.get("shards", {}).items())
        for copy in copies
        if copy["routing"]["primary"] and "seq_no" in copy
    ]


def _refresh(client: Elasticsearch, names: Sequence[str]) -> None:
    """Make visible what these indices have.

    Raises:
        Missing: some copy did not; a search could ask that one.
    """
    for name in names:
        told = client.indices.refresh(index=name, ignore_unavailable=True, allow_no_indices=True)
        if told["_shards"]["failed"]:
            raise Missing(
                Both(
                    f"Elasticsearch: 索引 {name} の一部が応答しない", f"Elasticsearch: a part of {name} does not answer"
                ),
                Both("`sekisho store status` で確認する", "see `sekisho store status`"),
            )
