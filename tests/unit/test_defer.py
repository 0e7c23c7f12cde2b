"""A terminal that is put off: its wave waits for it no longer, and it can be planned again by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger

SEKISHO = Path(sys.executable).parent / "sekisho"
EXAMPLE = Path(__file__).parents[2] / "inventory" / "example" / "ledger.csv"


def sekisho(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SEKISHO, *words, "--state", state], capture_output=True, text=True, timeout=60)


@pytest.fixture
def state(tmp_path: Path) -> State:
    folder = tmp_path / "state"
    assert sekisho(folder, "fleet", "import", str(EXAMPLE)).returncode == 0
    assert sekisho(folder, "plan", "--terminal", "PC-0001", "--terminal", "PC-0002").returncode == 0
    return open_state(folder)


def test_a_deferred_terminal_has_its_reason_on_the_chain_and_can_be_planned_again(state: State) -> None:
    done = sekisho(state.folder, "defer", "PC-0001", "--why", "長期出張中")
    assert done.returncode == 0, done.stderr
    one = Ledger(state).terminal("PC-0001")
    assert (one.standing, one.why.ja) == ("deferred", "長期出張中")
    record = list(Chain(state).records("terminal.deferred"))[-1]
    assert record.subject["name"] == "PC-0001"
    assert sekisho(state.folder, "plan", "--terminal", "PC-0001").returncode == 0
    assert Ledger(state).terminal("PC-0001").standing == "planned"


def test_a_wave_whose_terminals_are_all_deferred_is_done(state: State) -> None:
    wave = Ledger(state).terminal("PC-0001").wave
    assert wave is not None
    assert sekisho(state.folder, "defer", "PC-0001", "PC-0002", "--why", "庁舎移転").returncode == 0
    done = sekisho(state.folder, "migrate", "--wave", wave)
    assert done.returncode == 2
    assert "完了" in done.stderr


@pytest.mark.parametrize("asset", ["PR-0001", "MN-0001", "PC-0003"])
def test_only_who_waits_for_a_crossing_is_deferred(state: State, asset: str) -> None:
    done = sekisho(state.folder, "defer", "PC-0001", asset, "--why", "x")
    assert done.returncode == 1
    assert asset in done.stderr
    assert Ledger(state).terminal("PC-0001").standing == "planned", "nothing was done"
