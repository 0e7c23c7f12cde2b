"""Three nodes, and what happens to a cluster: nothing is lost, nothing is there twice; who waits is told for what."""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from cluster import Cluster
from conftest import Place, place_of, settings_of
from recordings import read
from sekisho.telemetry.elastic import template
from sekisho.telemetry.elastic.arrivals import ShardsOf
from sekisho.telemetry.event import Event
from sekisho.telemetry.query import Search
from sekisho.telemetry.store import Added

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
# Small limits, so that the tests come to them soon.
LIMITS = {"http.max_content_length": "1mb", "thread_pool.write.size": 1, "thread_pool.write.queue_size": 2}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(3, LIMITS) as one:
        yield one


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    one = place_of(settings_of(cluster, replicas=1), tmp_path)
    yield one
    one.client.close()


def serial(count: int, name: str, *, days: int = 3) -> list[Event]:
    """Events that differ by their place alone, and carry a number of the generator's."""
    lines = (
        orjson.dumps({"@timestamp": f"2026-10-{1 + number % days:02d}T00:00:00Z", "serial": number, "text": "x" * 300})
        for number in range(count)
    )
    return read(b"\n".join(lines), name)


def serials(place: Place) -> Counter[int]:
    return Counter(json.loads(event.source)["serial"] for event in place.store.search(Search()))


def waiting_for(place: Place, words: str, put: Future[Added]) -> None:
    """Wait until the writer says what it waits for."""
    for _ in range(1200):
        if any(words in told for told in place.told):
            return
        assert not put.done() or put.result() is None, "it did not wait"
        threading.Event().wait(0.1)
    pytest.fail(f"{words!r} was not told, but {place.told}")


def test_a_node_that_is_killed_while_events_are_written_costs_none(cluster: Cluster, place: Place) -> None:
    count, batch = 12_000, 1500
    events = serial(count, "killed")
    begun = threading.Event()

    def kill() -> None:
        begun.wait(300)
        cluster.kill("node-2")

    killer = threading.Thread(target=kill)
    killer.start()
    with place.store.writing() as writer:
        for begin in range(0, count, batch):
            writer.put(events[begin : begin + batch])
            begun.set()
        killer.join()
        again = writer.put(events[:batch])
        assert writer.refused == 0
    assert again == Added()
    cluster.start("node-2")
    cluster.ready()
    assert serials(place) == Counter(range(count))


def test_who_watches_while_a_node_is_killed_reads_each_event_once_at_least(cluster: Cluster, place: Place) -> None:
    """The node that has the primary of one day: a copy takes over, and its numbers go on."""
    events, source = serial(3000, "watched"), ShardsOf(place.store.settings)
    position, seen = dict[str, int](), Counter[bytes]()

    def look() -> None:
        nonlocal position
        arrivals = source.beyond(position)
        seen.update(event.id for piece in arrivals.pieces for some in piece.events() for event in some)
        position = dict(arrivals.after)

    with place.store.writing() as writer:
        writer.put(events[:1000])
        look()
        assert len(seen) == 1000
        shards = place.client.cat.shards(index=template.index("2026-10-01"), format="json", h="prirep,node")
        primary = next(one["node"] for one in shards if one["prirep"] == "p")
        cluster.kill(primary)
        writer.put(events[1000:2000])
        look()
        cluster.start(primary)
        writer.put(events[2000:])
        cluster.ready()
        look()
    assert seen.keys() == {event.id for event in events}, "one was not seen"
    look()
    assert sum(seen.values()) == len(events), "one was read twice"


def test_a_full_queue_is_waited_for(cluster: Cluster, place: Place) -> None:
    def rejected() -> int:
        nodes = place.client.nodes.stats(metric="thread_pool", filter_path="nodes.*.thread_pool.write.rejected")[
            "nodes"
        ]
        return sum(int(node["thread_pool"]["write"]["rejected"]) for node in nodes.values())

    before, count = rejected(), 6000
    with place.store.writing() as writer:
        assert writer.put(serial(count, "queue", days=25)).new <= count
        assert writer.refused == 0
    assert rejected() > before, "nothing was rejected: the test shows nothing"
    assert any("es_rejected_execution_exception" in told for told in place.told)
    assert serials(place) == Counter(range(count))


@pytest.mark.parametrize("block", ["read_only_allow_delete", "write"])
def test_a_block_as_of_a_full_disk_is_waited_for(place: Place, block: str) -> None:
    first, rest = serial(10, "first", days=1), serial(3000, "rest", days=1)
    index = template.index("2026-10-01")
    with place.store.writing() as writer, ThreadPoolExecutor(1) as pool:
        writer.put(first)
        place.client.indices.put_settings(index=index, settings={f"index.blocks.{block}": True})
        put = pool.submit(writer.put, rest)
        waiting_for(place, "cluster_block_exception", put)
        assert not put.done()
        assert place.store.count(Search()) == 10
        place.client.indices.put_settings(index=index, settings={f"index.blocks.{block}": None})
        assert put.result(300) == Added(3000)
        assert writer.refused == 0
    assert place.told[-1] == "Elasticsearch takes events again"
    assert sum(serials(place).values()) == 3010


def test_indices_that_cannot_be_made_are_waited_for(place: Place) -> None:
    place.client.cluster.put_settings(persistent={"cluster.max_shards_per_node": 1})
    with place.store.writing() as writer, ThreadPoolExecutor(1) as pool:
        try:
            put = pool.submit(writer.put, serial(50, "shards", days=5))
            waiting_for(place, "validation_exception", put)
        finally:
            place.client.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})
        put.result(300)
        assert writer.refused == 0
    assert serials(place) == Counter(range(50))


def test_a_password_that_was_changed_is_waited_for(cluster: Cluster, place: Place) -> None:
    events, old = serial(1000, "password"), cluster.password
    new = secrets.token_urlsafe(12)
    with place.store.writing() as writer, ThreadPoolExecutor(1) as pool:
        writer.put(events[:10])
        cluster.set_password(new)
        try:
            put = pool.submit(writer.put, events)
            waiting_for(place, "401", put)
            cluster.password_file.write_text(new + "\n")
            put.result(300)
            assert writer.refused == 0
        finally:
            cluster.set_password(old)
            cluster.password_file.write_text(old + "\n")
    assert serials(place) == Counter(range(1000))


def test_an_event_above_the_servers_limit_is_a_dead_letter_and_the_others_are_in(place: Place) -> None:
    large = read(b'{"serial":-1,"text":"%s"}' % (b"y" * 700_000), "large")  # twice in its document
    with place.store.writing() as writer:
        assert writer.put([*serial(5, "small"), *large, *serial(5, "more")]).new == 10
        assert writer.refused == 1
    (file,) = place.store.letters.files()
    (letter,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert letter["id"] == large[0].id.hex()
    assert "the server takes 1048576" in letter["why"]
    assert list(place.store.letters.read(file)) == large
