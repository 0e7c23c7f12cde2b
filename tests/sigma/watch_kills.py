"""`sekisho watch`, killed at random moments while events come in: its alerts are then those of `detect`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import orjson
import yaml

from recordings import read
from running import until
from sekisho.detection import load
from sekisho.detection.detect import Detector
from sekisho.detection.matching import alert, correlate
from sekisho.detection.matching.engine import Engine
from sekisho.telemetry.query import Search
from sekisho.telemetry.store import Store
from test_command import SEKISHO, run
from watching import kept

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

    def __init__(self, store: Store, seed: int) -> None:
        self._store, self._chance = store, random.Random(seed)
        self._serial = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._come)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

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
        with self._store.writing() as writer:
            while not self._stop.wait(self._chance.uniform(0.01, 0.1)):
                lines = [self._line() for _ in range(self._chance.choice([1, 2, 5, 50]))]
                writer.put(read(b"\n".join(lines), f"{self._serial}.json"))


def kill_at_random(
    store: Store, folder: Path, kills: int, seed: int, between: Callable[[int], bool] = lambda _: True
) -> int:
    """Kill the watch of the store whose state folder is `folder`; how many events there were in the end.

    `between` is called before each of them is started and says whether there is a store to read.
    Policy must say that correlations wait for a second.
    """
    rules, chance = folder / "rules.yml", random.Random(seed)
    rules.write_text(yaml.safe_dump_all(RULES))
    ruleset = load.load([rules])
    told = Counter[str]()
    words = [SEKISHO, "watch", "--rules", rules, "--state", folder, "--workers", "1", "--json"]
    with Coming(store, seed), (folder / "told").open("w+b") as out, (folder / "err").open("w+b") as err:
        begun = time.monotonic()
        run(*words[1:], "--once")
        usual = time.monotonic() - begun
        for number in range(kills):
            readable = between(number)
            before = len(whole_lines(folder / "told"))
            one = subprocess.Popen(words, stdout=out, stderr=err)
            if readable and number % 2 == 0:
                # Once it has told something, however slow this machine is just now.
                until(lambda before=before: len(whole_lines(folder / "told")) > before, 120, "an alert")
                time.sleep(usual * chance.uniform(0, 0.5))
            else:
                # From before it reads anything to some rounds later.
                time.sleep(usual * chance.uniform(0.3, 2.5))
            assert one.poll() is None, (folder / "err").read_text()
            os.kill(one.pid, signal.SIGKILL)
            one.wait()
    for _ in range(2):
        run(*words[1:], "--once")
        time.sleep(1.1)  # the lateness
    run(*words[1:], "--once")
    told.update(json.loads(line)["alert_id"] for line in whole_lines(folder / "told"))

    events = list(store.search(Search()))
    matches = list(Detector(Engine(ruleset), correlate.facts(ruleset)).in_events(events))
    runs = correlate.correlated(ruleset, matches)
    wanted = {alert.identity(ruleset.rules[one.place], one) for one in matches} | set(map(correlate.identity, runs))
    found = kept(folder)
    lost, more, twice = len(wanted - found.keys()), len(found.keys() - wanted), sum(n > 1 for n in told.values())
    print(
        f"\n{kills} kills, {len(events)} events, {len(wanted)} alerts, {len(runs)} of them of correlations: "
        f"{lost} lost, {more} that detect has not, {twice} told twice; {len(told)} told before the end"
    )
    assert (lost, more, twice) == (0, 0, 0)
    assert len(runs) > kills // 5
    assert told, "it was always killed before it told anything"
    return len(events)


def whole_lines(path: Path) -> list[bytes]:
    """Lines that were written to their end: a kill may fall within one."""
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"}\n") and line[:1] == b"{"]
