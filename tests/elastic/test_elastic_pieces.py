"""What detection reads of Elasticsearch, piece by piece: each event once, of one moment, and all of it or an error."""

from __future__ import annotations

import threading
from itertools import product
from pathlib import Path

import orjson
import pytest
from elasticsearch import ApiError

from conftest import Place
from recordings import read
from sekisho.core.errors import Missing
from sekisho.telemetry.elastic import pieces, template
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.query import Span
from sekisho.telemetry.store import Store
from three_ways import detect, rule, run, started, stores_of, written


def test_pieces_have_each_event_once_and_in_the_order_of_their_times(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.json"
    times = [f"{year}-01-01T00:00:0{n % 10}Z" for n in range(8) for year in (1970, 2015, 2026, 2049, 2099)]
    times += [f"2026-11-{day:02}T{n % 24:02}:00:00Z" for n in range(20) for day in (1, 2)] + ["never"] * 9
    path.write_bytes(b"".join(orjson.dumps({"timestamp": one, "n": n}) + b"\n" for n, one in enumerate(times)))
    both = stores_of(settings, tmp_path, [[path]])
    spans = (Span(), Span(1_793_500_000_000_000), Span(None, 1_794_000_000_000_000), Span(0, 5_000_000))
    for events, span in product((7, pieces._EVENTS), spans):
        monkeypatch.setattr(pieces, "_EVENTS", events)
        elastic, embedded = (bounded(one, span) for one in (both.place.store, EmbeddedStore(both.embedded / "events")))
        assert len(elastic) == len(set(elastic)) > 0
        assert sorted(elastic) == sorted(embedded)
    monkeypatch.setattr(pieces, "_EVENTS", 7)
    with both.place.store.pieces(Span()) as some:
        assert len(some) > 8
        assert sum(one.size for one in some) >= len(times) * 0.9


def bounded(store: Store, span: Span) -> list[bytes]:
    """The ids of all events of a span, none of which comes before what its piece says."""
    ids, bounds = list[bytes](), []
    with store.pieces(span) as some:
        for piece in some:
            bound = (piece.since is None, piece.since or 0)
            bounds.append(bound)
            for event in (event for events in piece.events() for event in events):
                assert (event.time is None, event.time or 0) >= bound
                ids.append(event.id)
    assert bounds == sorted(bounds)
    return ids


def test_all_is_of_one_moment(place: Place) -> None:
    """What is written while others read is not seen; a day that is let go of meanwhile is missed, and that is told."""
    with place.store.writing() as writer:
        writer.put(read(started(1, "before", "a")))
    with place.store.pieces(Span()) as some:
        with place.store.writing() as writer:
            writer.put(read(started(2, "after", "a")))
        place.client.indices.refresh(index=template.EVENTS)
        found = [event for one in some for events in one.events() for event in events]
        assert [orjson.loads(one.source)["CommandLine"] for one in found] == ["before"]
        place.client.indices.delete(index=template.index("2026-11-24"))
        with pytest.raises(Missing):
            list(some[0].events())


def test_a_server_that_has_no_room_for_a_request_is_asked_again(place: Place) -> None:
    with place.store.writing() as writer:
        writer.put(read(b"".join(started(n, "x", "a") for n in range(30))))
    limit = "network.breaker.inflight_requests.limit"
    with place.store.pieces(Span()) as some:
        place.client.cluster.put_settings(persistent={limit: "100b"})  # a search takes more, to lift it again less
        lifted = threading.Timer(1.5, place.client.cluster.put_settings, kwargs={"persistent": {limit: None}})
        try:
            with pytest.raises(ApiError, match="429"):
                place.client.search(index=template.EVENTS, query={"term": {"Image": "x" * 100}})
            lifted.start()
            assert sum(len(events) for one in some for events in one.events()) == 30
        finally:
            place.client.cluster.put_settings(persistent={limit: None})
            lifted.cancel()


@pytest.fixture
def one_rule(tmp_path: Path) -> list[Path]:
    return [written(tmp_path / "one.yml", [rule(1, {"s": {"CommandLine|contains": "e"}})])]


def test_an_empty_store_has_no_alerts(place: Place, one_rule: list[Path]) -> None:
    assert detect(place.folder, one_rule, "--store") == []


@pytest.mark.parametrize("how", ["closed", pytest.param("unassigned", marks=pytest.mark.slow)])  # waited for
def test_a_day_that_cannot_be_read_is_an_error(place: Place, one_rule: list[Path], how: str) -> None:
    with place.store.writing() as writer:
        writer.put(read(started(1, "before", "a")))
    assert len(detect(place.folder, one_rule, "--store")) == 1
    lost = template.index("2026-11-20")
    away = {"index.routing.allocation.require.name": "nobody"} if how == "unassigned" else {}
    place.client.indices.create(index=lost, settings=away, wait_for_active_shards=0)
    if how == "closed":
        place.client.indices.close(index=lost)
    done = run("detect", "--rules", *one_rule, "--state", place.folder, "--store", "--json", code=3)
    assert done.stdout == ""
    assert "Elasticsearch" in done.stderr
    assert "store status" in done.stderr
    place.client.indices.delete(index=lost)


def test_a_server_that_is_away_is_an_error(one_rule: list[Path], tmp_path: Path) -> None:
    (tmp_path / "store.yml").write_text("version: 1\nelasticsearch: {urls: ['http://127.0.0.1:9']}\n")
    for lang, words in (("en", "no connection"), ("ja", "接続できない")):
        told = run("detect", "--rules", *one_rule, "--state", tmp_path, "--store", "--lang", lang, code=3).stderr
        assert words in told
