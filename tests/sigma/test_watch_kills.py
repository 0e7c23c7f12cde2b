"""`sekisho watch`, killed while events come in and parts are merged: no alert is lost or told twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import orjson
import pytest
import yaml

from recordings import read
from sekisho.detection import load
from sekisho.detection.detect import Detector
from sekisho.detection.matching import alert, correlate
from sekisho.detection.matching.engine import Engine
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.query import Search
from test_command import SEKISHO, run
from watching import home, kept

BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
RULES = [
    {
        "title": "every third",
        "id": "6f2b5a0e-3d0c-4b0e-9a34-5345b1540003",
        "name": "third",
        "logsource": {"product": "windows"},
        "detection": {"s": {"F": "third"}, "condition": "s"},
    },
    {
        "title": "three within ten seconds",
        "id": "6f2b5a0e-3d0c-4b0e-9a34-5345b1540004",
        "correlation": {
            "type": "event_count",
            "rules": ["third"],
            "group-by": ["User"],
            "timespan": "10s",
            "condition": {"gte": 3},
            "generate": True,
        },
    },
]


class Coming:
    """Events that come in, some every few hundredths of a second, in the order of their times, as `ship` puts them."""

    def __init__(self, store: EmbeddedStore, seed: int) -> None:
        self.merges = 0
        self._store, self._chance = store, random.Random(seed)
        self._serial = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._come)

    def __enter__(self) -> Self:
        self.put()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def put(self) -> None:
        """Some events, at once."""
        lines = [self._line() for _ in range(self._chance.choice([1, 2, 5, 50]))]
        with self._store.writing() as writer:
            before = len(writer.manifest.parts)
            writer.put(read(b"\n".join(lines), f"{self._serial}.json"))
            self.merges += len(writer.manifest.parts) < before + 1

    def _line(self) -> bytes:
        self._serial += 1
        second = self._serial // 2 + 300 * (self._serial // 60)  # a pause after each half minute ends the runs
        record = {
            "@timestamp": (BEGIN + timedelta(seconds=second)).isoformat(),
            "Channel": "Security",
            "EventID": 1,
            "F": "third" if self._serial % 3 == 0 else "other",
            "User": f"u{self._serial % 2}",
            "serial": self._serial,
        }
        return orjson.dumps(record)

    def _come(self) -> None:
        while not self._stop.wait(self._chance.uniform(0.01, 0.1)):
            self.put()


def kill_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, seed: int) -> None:
    for name, value in home(tmp_path / "home", "1s").items():
        monkeypatch.setenv(name, value)
    rules, state, chance = tmp_path / "rules.yml", tmp_path / "state", random.Random(seed)
    rules.write_text(yaml.safe_dump_all(RULES))
    ruleset = load.load([rules])
    store, fell, told = EmbeddedStore(state / "events"), 0, Counter[str]()
    words = [SEKISHO, "watch", "--rules", rules, "--state", state, "--workers", "1", "--json"]
    with Coming(store, seed) as coming, (tmp_path / "told").open("w+b") as out, (tmp_path / "err").open("w+b") as err:
        while fell < kills:
            one = subprocess.Popen(words, stdout=out, stderr=err)
            # From where Python has started to some rounds later.
            time.sleep(chance.uniform(0.5, 5.0))
            assert one.poll() is None, (tmp_path / "err").read_text()
            os.kill(one.pid, signal.SIGKILL)
            one.wait()
            fell += 1
    for _ in range(2):
        run(*words[1:], "--once")
        time.sleep(1.1)  # the lateness
    run(*words[1:], "--once")
    told.update(json.loads(line)["alert_id"] for line in whole_lines(tmp_path / "told"))

    events = list(store.search(Search()))
    matches = list(Detector(Engine(ruleset), correlate.facts(ruleset)).in_events(events))
    runs = correlate.correlated(ruleset, matches)
    wanted = {alert.identity(ruleset.rules[one.place], one) for one in matches} | set(map(correlate.identity, runs))
    found = kept(state)
    lost, more, twice = len(wanted - found.keys()), len(found.keys() - wanted), sum(n > 1 for n in told.values())
    print(
        f"\n{kills} kills, {len(events)} events, {coming.merges} merges, {len(wanted)} alerts, {len(runs)} of them of "
        f"correlations: {lost} lost, {more} that detect has not, {twice} told twice; {len(told)} told before the end"
    )
    assert (lost, more, twice) == (0, 0, 0)
    assert coming.merges > kills // 5, "nothing was merged meanwhile"
    assert len(runs) > kills // 5
    assert told, "it was always killed before it told anything"


def whole_lines(path: Path) -> list[bytes]:
    """Lines that were written to their end: a kill may fall within one."""
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"}\n") and line[:1] == b"{"]


@pytest.mark.slow
def test_killed_at_some_random_moments_no_alert_is_lost_or_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_at_random(tmp_path, monkeypatch, 10, seed=21)


@pytest.mark.kills
def test_killed_at_a_hundred_random_moments_no_alert_is_lost_or_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_at_random(tmp_path, monkeypatch, 100, seed=22)
