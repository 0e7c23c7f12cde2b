"""The state machine of a terminal: nothing leaves its table, and no move is without its record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.core import folders
from sekisho.core.errors import Refused
from sekisho.core.reason import typed
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet import departments
from sekisho.fleet.importing import load
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import LEGAL, Standing
from sekisho.policy import tiers


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    opened = open_state(tmp_path_factory.mktemp("walks") / "state", create=True)
    file = folders.inventory() / "ledger.csv"
    source = load.read(file, departments=departments.read(), tiers=tiers.read(), taken=set())
    load.load(opened, source, record=Chain(opened).append, who="joho", skip_bad=False)
    yield opened
    opened.close()


def _move(state: State, asset: str, to: Standing) -> None:
    with state.transaction() as tx:
        seq = Chain(state).append(tx, "terminal.moved", {"type": "terminal", "name": asset}, {"became": to})
        Ledger(state).move(tx, asset, to, who="walker", why=typed("a walk"), record=seq)


def test_every_standing_has_its_line_in_the_table() -> None:
    assert set(LEGAL) == set(Standing)
    assert all(standing.ja for standing in Standing)
    reached = {to for follows in LEGAL.values() for to in follows}
    assert reached == set(Standing) - {Standing.FIXED}


def test_the_internet_is_confirmed_only_out_of_probation() -> None:
    assert [was for was, follows in LEGAL.items() if Standing.CONFIRMED in follows] == [Standing.CONFIRMING]
    assert LEGAL[Standing.CONFIRMED] == {Standing.QUARANTINING}


@settings(max_examples=60)
@given(st.lists(st.sampled_from(list(Standing)), max_size=25), st.sampled_from(["PC-0001", "PC-0007"]))
def test_a_random_walk_never_leaves_the_table(state: State, walk: list[Standing], asset: str) -> None:
    ledger, chain = Ledger(state), Chain(state)
    for to in walk:
        now, steps, head = ledger.terminal(asset), len(ledger.history(asset)), chain.head()
        if to in LEGAL[now.standing]:
            _move(state, asset, to)
            last = ledger.history(asset)[-1]
            assert (last.was, last.became, last.record) == (now.standing, to, chain.head()[0])
            assert ledger.terminal(asset).standing == to
        else:
            with pytest.raises(Refused):
                _move(state, asset, to)
            assert (ledger.terminal(asset), len(ledger.history(asset)), chain.head()) == (now, steps, head)


@pytest.mark.parametrize("asset", ["PR-0001", "MN-0001"])
@pytest.mark.parametrize("to", list(Standing))
def test_a_printer_and_a_my_number_terminal_never_move(state: State, asset: str, to: Standing) -> None:
    with pytest.raises(Refused, match="never moves"):
        _move(state, asset, to)
    assert Ledger(state).terminal(asset).standing == Standing.FIXED


def test_a_move_without_a_record_is_impossible(state: State) -> None:
    ledger = Ledger(state)
    now = ledger.terminal("PC-0012")
    with pytest.raises(sqlite3.IntegrityError), state.transaction() as tx:
        ledger.move(tx, "PC-0012", Standing.PLANNED, who="t", why=typed("t"), record=999_999)
    assert ledger.terminal("PC-0012") == now


def test_an_import_refuses_to_run_on_half_a_transaction(tmp_path: Path) -> None:
    opened = open_state(tmp_path / "state", create=True)
    source = load.read(
        folders.inventory() / "ledger.csv", departments=departments.read(), tiers=tiers.read(), taken=set()
    )

    def broken(*_: object) -> int:
        return 4711  # a record that is not on the chain

    with pytest.raises(sqlite3.IntegrityError):
        load.load(opened, source, record=broken, who="joho", skip_bad=False)
    assert Ledger(opened).terminals() == []
