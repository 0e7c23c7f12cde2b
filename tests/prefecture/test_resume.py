"""A run is killed at random moments and run again: it ends as an undisturbed run does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from typing import Any

import pytest

from prefecture import SEKISHO, Prefecture
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.migration.lock import RunLock

pytestmark = pytest.mark.lab
UNDISTURBED = ("PC-0011", "PC-0012")
DISTURBED = ("PC-0005", "PC-0009")


def picture(prefecture: Prefecture, assets: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """What ledger, RADIUS and switch say of terminals: what a run must leave, whatever happened on the way."""
    found = []
    for asset in assets:
        one, row = prefecture.terminal(asset), prefecture.row(asset)
        prefecture.at_desk(asset)
        found.append((one.standing, one.tier, row.vlan, row.left, row.revoked, prefecture.vlan(one.name)))
    return found


def run_and_kill(prefecture: Prefecture, wave: str, seconds: float) -> tuple[bool, Counter[str]]:
    """Run a wave and kill the run alone after `seconds`; whether it had ended before, and who stood where."""
    run = subprocess.Popen(
        prefecture.argv(SEKISHO, "migrate", "--wave", wave),
        env=prefecture.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, told = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert run.stderr is not None
        run.stderr.close()
        standings = Counter(str(one.standing) for one in Ledger(prefecture.opened()).terminals(wave=wave))
        return False, standings
    assert run.returncode == 0, told.decode()
    return True, Counter()


def kill_at_random(prefecture: Prefecture, count: int, seed: int) -> None:
    wave = prefecture.wave(*UNDISTURBED)
    begun = time.monotonic()
    prefecture.sekisho("migrate", "--wave", wave)
    duration = time.monotonic() - begun
    wanted = picture(prefecture, UNDISTURBED)
    assert all(line[0] == "confirmed" for line in wanted)
    prefecture.home(UNDISTURBED)

    chance = random.Random(seed)
    kills, where = 0, Counter[str]()
    wave = prefecture.wave(*DISTURBED)
    before = Chain(prefecture.opened()).head().length
    while kills < count:
        ended, standings = run_and_kill(prefecture, wave, chance.uniform(0.5, duration))
        if ended:  # it was quicker than the kill: once more from the beginning
            assert picture(prefecture, DISTURBED) == wanted
            prefecture.home(DISTURBED)
            wave = prefecture.wave(*DISTURBED)
            continue
        kills += 1
        where += standings
    last = prefecture.sekisho("migrate", "--wave", wave, code=None)
    done = last.returncode == 2 and "は完了している" in last.stderr + last.stdout  # the last kill came after its end
    assert last.returncode == 0 or done, last.stdout + last.stderr
    assert picture(prefecture, DISTURBED) == wanted
    with RunLock(prefecture.state, "test") as lock:
        assert lock.orphans == []
    interrupted = [one for one in Chain(prefecture.opened()).records("run.interrupted") if one.seq > before]
    assert interrupted, "no interruption was recorded"
    assert prefecture.json("status")["sound"]
    pack = prefecture.folder / "after-kills.zip"
    prefecture.sekisho("pack", "build", "-o", pack)
    prefecture.sekisho("pack", "verify", pack)
    print(
        f"\n{kills} kills in runs of {duration:.0f} s; {len(interrupted)} interruptions recorded; terminals stood at:"
    )
    print("  " + ", ".join(f"{standing} {number}" for standing, number in where.most_common()))
    prefecture.home(DISTURBED)


@pytest.mark.slow
def test_killed_at_ten_random_moments(prefecture: Prefecture) -> None:
    kill_at_random(prefecture, 10, seed=7)


@pytest.mark.kills
@pytest.mark.timeout(4 * 3600)
def test_killed_at_a_hundred_random_moments(prefecture: Prefecture) -> None:
    kill_at_random(prefecture, 100, seed=int(time.time()))
