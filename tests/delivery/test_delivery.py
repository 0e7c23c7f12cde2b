"""From a terminal's segments to Elasticsearch while everything in between is killed: nothing is lost, nothing is twice.

Counted is by the serial that the generator wrote into each line, never by an id of ours.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import generator
from chain import VICTIMS, Chain
from running import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
EVENTS = 200_000  # at least
PATIENCE = 900.0  # seconds for what is on the way to arrive, on a machine that others use too


def victims(kills: int, chance: random.Random) -> list[str]:
    """Who is killed, in which order; nodes take long to come back: one kill in ten is theirs."""
    order = [VICTIMS[3] if one % 10 == 0 else VICTIMS[one % 3] for one in range(kills)]
    chance.shuffle(order)
    return order


def deliver(folder: Path, kills: int, seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    order, stop = victims(kills, chance), folder / "stop"
    with Chain(folder, chance) as chain:
        words = (generator.__file__, chain.terminal.segments, chain.terminal.positions, str(EVENTS), str(seconds), stop)
        with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as writing:
            try:
                until(chain.count, 120, "the first events arrive")
                for number, victim in enumerate(order):
                    time.sleep(chance.uniform(0.2, 1.6) * seconds / kills)
                    if number == kills // 2:
                        chain.wire.cut()
                    chain.kill(victim)  # lines are written until the last one was killed
                stop.touch()
                lines = int(writing.communicate(timeout=PATIENCE)[0])
            finally:
                writing.kill()
        chain.cluster.ready()
        until(lambda: chain.count() >= lines, PATIENCE, "all events arrive")
        time.sleep(5)  # what would be twice may still come
        found, days = chain.serials(), chain.indices()
    wanted = generator.serials(lines)
    lost, twice = wanted - found, found - wanted
    told = f"{lost.total()} lost, {twice.total()} twice"
    print(f"\n{kills} kills ({dict(Counter(order))}) while {lines:,} events were on the way: {told}")
    assert (lost, twice) == (Counter(), Counter())
    assert days == {"logs-sekisho.endpoint-2026.11.24", "logs-sekisho.endpoint-2026.11.25"}
    assert not list((chain.state / "dead-letters").glob("*"))


def test_twenty_kills(tmp_path: Path) -> None:
    deliver(tmp_path, 20, 90, seed=4)


@pytest.mark.kills
def test_a_hundred_kills(tmp_path: Path) -> None:
    deliver(tmp_path, 100, 600, seed=5)
