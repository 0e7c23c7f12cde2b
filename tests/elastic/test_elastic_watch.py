"""Watching Elasticsearch, on a real node; it and the watch are killed: the same alerts as over the embedded store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from conftest import Place, place_of, settings_of
from sekisho.telemetry.elastic import template
from sekisho.telemetry.elastic.arrivals import ShardsOf
from sekisho.telemetry.event import Event, partition
from test_command import alerts
from watch_kills import kill_at_random
from watching import HOUR, beside_them, home, kept, known, ours, wanted, watching

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(1) as one:
        yield one


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    one = place_of(settings_of(cluster, replicas=0), tmp_path)
    yield one
    one.client.close()


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    return beside_them(tmp_path_factory.mktemp("beside"))


def put(place: Place, some: list[Event]) -> None:
    with place.store.writing() as writer:
        writer.put(some)


def rounds(place: Place, now: list[int], count: int = 1) -> list[dict[str, Any]]:
    """What a watch tells that was just started, in so many rounds."""
    source = "elasticsearch", ShardsOf(place.store.settings)
    with watching(place.folder, source, HOUR, now) as one:
        return [found for _ in range(count) for found in one.round()]


def test_a_node_that_was_killed_and_an_index_that_was_deleted_change_no_alert(
    cluster: Cluster, place: Place, events: list[Event]
) -> None:
    now, told = [0], []
    third = len(events) // 3
    put(place, events[:third])
    told += rounds(place, now)
    cluster.kill("node-1")
    cluster.start("node-1")
    cluster.ready()
    put(place, events[third : 2 * third])
    told += rounds(place, now)
    # A day that policy no longer keeps goes, and comes anew under the same name: its numbers begin again.
    names = sorted(place.client.indices.get(index=template.EVENTS))
    day = max(names, key=lambda name: place.client.count(index=name)["count"])
    place.client.indices.delete(index=day)
    told += rounds(place, now)
    put(place, [one for one in events if template.index(partition(one.time)) == day])
    put(place, [one for one in events[2 * third :] if template.index(partition(one.time)) != day])
    told += rounds(place, now)
    now[0] += 3 * HOUR
    told += rounds(place, now, 2)
    assert kept(place.folder) == wanted(events)
    assert known(told) == kept(place.folder)
    assert not rounds(place, now)


def test_as_a_user_runs_it(place: Place, events: list[Event]) -> None:
    put(place, events)
    told = alerts("watch", "--state", place.folder, "--once")
    single = {one["alert_id"]: (one["rule_id"], one["timestamp"]) for one in told}
    of_runs = {rule.id for rule in ours().correlations}
    assert single == {key: one for key, one in wanted(events).items() if one[0] not in of_runs}
    assert alerts("watch", "--state", place.folder, "--once") == []


def test_what_comes_while_it_is_read_is_read_in_the_next_round(place: Place, events: list[Event]) -> None:
    source, position = ShardsOf(place.store.settings), dict[str, int]()
    seen: list[bytes] = []
    for at in range(0, len(events), 40):
        put(place, events[at : at + 40])
        arrivals = source.beyond(position)
        put(place, events[at + 40 : at + 41])  # behind the checkpoint that was asked
        seen += [event.id for piece in arrivals.pieces for some in piece.events() for event in some]
        position = dict(arrivals.after)
    arrivals = source.beyond(position)
    seen += [event.id for piece in arrivals.pieces for some in piece.events() for event in some]
    assert sorted(seen) == sorted(event.id for event in events), "each once"
    assert not list(source.beyond(arrivals.after).pieces)


@pytest.mark.parametrize(("kills", "seed"), [(6, 31), pytest.param(100, 32, marks=pytest.mark.kills)])
def test_killed_at_random_moments_no_alert_is_lost_or_told_twice(
    cluster: Cluster, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, seed: int
) -> None:
    for name, value in home(tmp_path / "home", "1s").items():
        monkeypatch.setenv(name, value)

    def between(number: int) -> bool:
        if number % 5 == 2:  # this watch finds no node
            cluster.kill("node-1")
        elif number % 5 == 3:
            cluster.start("node-1")
            cluster.ready()
        return number % 5 != 2

    kill_at_random(place.store, place.folder, kills, seed, between)
