"""Watching the embedded store: whatever happens on the way, the alerts are those of `detect` over the finished set."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sekisho.telemetry.arrivals import Arrivals
from sekisho.telemetry.embedded.arrivals import BatchesOf
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Event
from test_command import alerts, run
from watching import HOUR, OURS, beside_them, home, kept, known, of_one_event, wanted, watching


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    found = beside_them(tmp_path_factory.mktemp("beside"))
    assert len(found) > 100
    return found


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_in_any_order_in_any_pieces_and_with_any_interruption_the_alerts_are_the_same(
    events: list[Event], tmp_path: Path, seed: int, in_order: bool
) -> None:
    some, chance = list(events), random.Random(seed)
    if not in_order:
        chance.shuffle(some)
    now = [0]
    store = EmbeddedStore(tmp_path / "events")
    source = "embedded", BatchesOf(store.folder)
    told: list[dict[str, Any]] = []
    with store.writing() as writer:
        while some:
            size = chance.choice([1, 1, 2, 3, 5, 30])
            writer.put(some[:size])
            del some[:size]
            now[0] += HOUR // 100
            if chance.random() < 0.4:
                with watching(tmp_path, source, 10_000 * HOUR, now) as one:
                    rounds = one.round()
                    if chance.random() < 0.3:  # it is killed after the first alert
                        told += [found for found, _ in zip(rounds, range(1), strict=False)]
                        rounds.close()
                    else:
                        told += rounds
        parts = store.manifest().parts
    with watching(tmp_path, source, 10_000 * HOUR, now) as one:
        told += one.round()
        now[0] += 10_001 * HOUR
        told += one.round()
        now[0] += 10_001 * HOUR
        told += one.round()
        assert not list(one.round())
    assert any(part.rows > 30 for part in parts) or not in_order, "nothing was merged"
    assert kept(tmp_path) == wanted(events)
    assert known(told).items() <= kept(tmp_path).items()


def test_what_was_read_is_not_read_again_after_a_merge(events: list[Event], tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    source = BatchesOf(store.folder)
    day = [event for event in events if event.time][:9]
    with store.writing() as writer:
        for event in day[:7]:
            writer.put([event._replace(time=day[0].time)])
        position = source.beyond({}).after
        writer.put([day[7]._replace(time=day[0].time)])
        assert len(writer.manifest.parts) == 1, "the eighth made one part of all"
        arrivals = source.beyond(position)
        assert [event.id for piece in arrivals.pieces for some in piece.events() for event in some] == [day[7].id]
        assert not list(source.beyond(arrivals.after).pieces)


def test_parts_of_before_batches_had_numbers_are_read_first_and_once(events: list[Event], tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    source, day = BatchesOf(store.folder), [event._replace(time=events[-1].time) for event in events[:9]]
    with store.writing() as writer:
        for event in day[:7]:
            writer.put([event])
    path = store.folder / "manifest.json"
    before = json.loads(path.read_bytes())
    parts = [{name: value for name, value in part.items() if name != "batch"} for part in before["parts"]]
    path.write_text(json.dumps({"version": 2, "parts": parts}))

    def new(arrivals: Arrivals) -> list[bytes]:
        return [event.id for piece in arrivals.pieces for some in piece.events() for event in some]

    first = source.beyond({})
    assert sorted(new(first)) == sorted(event.id for event in day[:7])
    with store.writing() as writer:
        writer.put([day[7]])
        assert len(writer.manifest.parts) == 1, "all were merged, those of before too"
        writer.put([day[8]])
    assert sorted(new(source.beyond(first.after))) == sorted(event.id for event in day[7:9])


@pytest.mark.parametrize("there", [0, 90])
def test_from_now_on_leaves_out_what_is_there_at_the_first_start_only(
    events: list[Event], tmp_path: Path, there: int
) -> None:
    store = EmbeddedStore(tmp_path / "events")
    source = "embedded", BatchesOf(store.folder)
    with store.writing() as writer:
        for some in (events[:there], events[there:130], events[130:]):
            writer.put(some)
            with watching(tmp_path, source, 0, [HOUR]) as one:
                one.skip()  # the second time it is a restart, and what came meanwhile is judged
                list(one.round())
    single = {key for key, _ in kept(tmp_path).items()} & set(of_one_event(events))
    assert single == set(of_one_event(events[there:]))
    assert single != set(of_one_event(events)) or not there


def test_a_store_that_came_back_from_a_backup_is_read_again(events: list[Event], tmp_path: Path) -> None:
    store, now = EmbeddedStore(tmp_path / "events"), [0]
    with store.writing() as writer:
        writer.put(events[:10])
    backup = (store.folder / "manifest.json").read_bytes()
    with store.writing() as writer:
        writer.put(events[10:20])
    source = "embedded", BatchesOf(store.folder)
    with watching(tmp_path, source, 0, now) as one:
        list(one.round())
        (store.folder / "manifest.json").write_bytes(backup)
        assert not list(one.round()), "an alert is not repeated"
        with store.writing() as writer:
            writer.put(events[20:])
        list(one.round())
    assert kept(tmp_path).items() >= wanted(events[:10] + events[20:]).items()


def test_as_a_user_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    for name, value in home(tmp_path / "home", "0s").items():
        monkeypatch.setenv(name, value)
    hits = sorted(OURS.rglob("hit.ndjson"))
    run("ingest", *hits, "--state", state)
    first = alerts("watch", "--state", state, "--once")
    detected = alerts("detect", "--rules", OURS, "--state", state, "--store")

    def told(some: list[dict[str, Any]], *without: str) -> list[str]:
        return sorted(json.dumps({k: v for k, v in one.items() if k not in without}, sort_keys=True) for one in some)

    own = ("number", "alert_id", "raised")
    single: Callable[[dict[str, Any]], bool] = lambda one: "event_ids" not in one  # noqa: E731 - read once
    assert told(list(filter(single, first)), *own) == told(list(filter(single, detected)))
    of_runs = [[one for one in some if not single(one)] for some in (first, detected)]
    assert told(of_runs[0], *own, "event_ids", "host", "user") == told(of_runs[1], "event_ids", "host", "user")
    assert of_runs[0], "no correlation was raised"
    assert alerts("watch", "--rules", OURS, "--state", state, "--once") == []
    assert alerts("alerts", "--state", state) == first
    assert alerts("alerts", "--state", state, "--after", len(first) - 2) == first[-2:]
    high = alerts("alerts", "--state", state, "--level", "high")
    assert high == [one for one in first if one["level"] in {"high", "critical"}] != first
    run("store", "tidy", "--state", state)
    assert alerts("alerts", "--state", state) == first, "alerts stay"
    assert "no level" in run("alerts", "--state", state, "--level", "loud", code=2).stderr


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    assert "has no alerts yet" in run("alerts", "--state", tmp_path, code=3).stderr
    assert "no events yet" in run("watch", "--rules", OURS, "--state", tmp_path, "--once", code=3).stderr
    (tmp_path / "alerts.db").write_bytes(b"not a database" * 100)
    assert "alerts.db" in run("alerts", "--state", tmp_path, code=2).stderr
