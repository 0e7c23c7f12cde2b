"""Terminals taken to probation, and further, by the product's own parts but without a wave's gates between them."""

from __future__ import annotations

from collections.abc import Sequence

from prefecture import Prefecture
from sekisho.core.reason import typed
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignments
from sekisho.migration import crossing
from sekisho.migration.crossing import Pass
from sekisho.migration.journal import Change, Journal
from sekisho.policy import tiers as policy

_WHY = typed("taken across for a test")


def cross(
    prefecture: Prefecture, assets: Sequence[str], *, seconds: int = 1800, settled: bool = True
) -> list[Terminal]:
    """Take terminals at home to probation, with a lease of `seconds`; `settled`: they are waited for and settled."""
    state, tiers = prefecture.opened(), policy.read()
    journal = Journal(state, who="tests", wave=None)
    for standing in (Standing.PLANNED, Standing.ADMITTED, Standing.PREPARED):
        there = [one for one in assets if journal.ledger.terminal(one).standing != standing]
        journal.change([Change(one, standing, _WHY) for one in there])
    entitled = Pass("tests", "entry:tests:passed", seconds)
    going = [journal.ledger.terminal(one) for one in assets]
    gone = prefecture.inside(
        lambda: crossing.cross(going, entitled, tiers=tiers, journal=journal, identity=Assignments(state))
    )
    assert gone == list(assets)
    there = [journal.ledger.terminal(one) for one in assets]
    if settled:
        assert prefecture.inside(lambda: crossing.arrived(there, "probation")) == set(assets)
        done = prefecture.playbook("settle.yml", "--limit", ",".join(one.name for one in there))
        assert done.returncode == 0, done.stdout[-2000:]
    return there


def confirm(prefecture: Prefecture, assets: Sequence[str]) -> list[Terminal]:
    """Open the internet tier to terminals on probation."""
    state, tiers = prefecture.opened(), policy.read()
    journal = Journal(state, who="tests", wave=None)
    entitled = Pass("tests", "exit:tests:passed", 0)

    def go() -> list[str]:
        going = [journal.ledger.terminal(one) for one in assets]
        return crossing.confirm(going, entitled, tiers=tiers, journal=journal, identity=Assignments(state))

    assert prefecture.inside(go) == list(assets)
    for asset in assets:
        prefecture.at_desk(asset)
    return [journal.ledger.terminal(one) for one in assets]
