"""The intent is on the chain before the network changes: when it cannot be written, the network is never asked.

The disk is full as SQLite knows it (no page is left). Only the network's end is a stand-in, which notes that it was
asked: that it never is, is the fact under test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sekisho.core.errors import Missing
from sekisho.core.reason import typed
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignments
from sekisho.migration import crossing
from sekisho.migration.crossing import Pass
from sekisho.migration.journal import Change, Journal
from sekisho.policy import tiers

ASSETS = [f"PC-{number:04d}" for number in range(1, 7)]
WAY = {
    "cross": [Standing.PLANNED, Standing.ADMITTED, Standing.PREPARED],
    "confirm": [Standing.PLANNED, Standing.ADMITTED, Standing.PREPARED, Standing.CROSSING, Standing.PROBATION],
}
WAY["give_back"] = WAY["confirm"]


class Network:
    """Where the RADIUS server would be asked; the chain's length at each time."""

    def __init__(self, state: State) -> None:
        self.asked: list[tuple[str, int]] = []
        self._state = state

    def __getattr__(self, word: str) -> Callable[..., Any]:
        def ask(*_: object, **__: object) -> Any:
            self.asked.append((word, Chain(self._state).head().length))
            raise ConnectionError("nothing answers here")

        return ask


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = open_state(tmp_path / "state", create=True)
    with state.transaction() as tx:
        for number, asset in enumerate(ASSETS, 1):
            tx.run(
                "INSERT INTO terminal (asset, number, name, mac, kind, department, owner, home, tier, standing)"
                " VALUES (?, ?, ?, ?, 'staff', 'zeimu', 'x', 'lgwan', 'lgwan', 'unplanned')",
                (asset, number, asset.lower(), f"02:5e:00:00:00:{number:02x}"),
            )
    return state


def lead(state: State, word: str) -> tuple[Journal, list[Terminal]]:
    journal = Journal(state, who="tester", wave="pilot")
    for standing in WAY[word]:
        journal.change([Change(asset, standing, typed("on the way"), lease=1) for asset in ASSETS])
    return journal, Ledger(state).terminals()


def act(word: str, journal: Journal, terminals: list[Terminal], network: Network) -> None:
    identity, entitled = cast("Assignments", network), Pass("pilot", "entry:pilot:passed", 300)
    if word == "cross":
        crossing.cross(terminals, entitled, tiers=tiers.read(), journal=journal, identity=identity)
    elif word == "confirm":
        crossing.confirm(terminals, entitled, tiers=tiers.read(), journal=journal, identity=identity)
    else:
        reasons = {one.asset: typed("a test") for one in terminals}
        crossing.give_back(reasons, wave="pilot", journal=journal, identity=identity)


def fill(state: State) -> None:
    """No page is left on the disk; what is free inside the file is little."""
    pages = state.read("PRAGMA page_count")[0][0]
    state.read(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize("word", WAY)
def test_a_full_disk_stops_before_the_network_changes(state: State, word: str) -> None:
    journal, terminals = lead(state, word)
    head, network = Chain(state).head(), Network(state)
    fill(state)
    with pytest.raises(Missing, match="full"):
        act(word, journal, terminals, network)
    assert network.asked == []
    assert Chain(state).head() == head
    assert [one.standing for one in Ledger(state).terminals()] == [WAY[word][-1]] * len(ASSETS)


@pytest.mark.parametrize("word", WAY)
def test_with_room_the_intent_of_every_terminal_is_there_when_the_network_is_asked(state: State, word: str) -> None:
    journal, terminals = lead(state, word)
    head, network = Chain(state).head(), Network(state)
    with pytest.raises(ConnectionError):
        act(word, journal, terminals, network)
    assert network.asked == [(word, head.length + len(ASSETS))]
    kinds = {one.kind for one in Chain(state).records(after=head.length)}
    assert kinds == ({"crossing.return_intent"} if word == "give_back" else {"crossing.intent"})
