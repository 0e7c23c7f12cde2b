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


def cross(prefecture: Prefecture, assets: Sequence[str], *, seconds: int = 1800) -> list[Terminal]:
    """Take terminals at home in the LGWAN tier to probation, settled there, with a lease of `seconds`."""
    state, tiers = prefecture.opened(), policy.read()
    journal = Journal(state, who="tests", wave=None)
    for standing in (Standing.PLANNED, Standing.ADMITTED, Standing.PREPARED):
        there = [one for one in assets if journal.ledger.terminal(one).standing != standing]
        journal.change([Change(one, standing, _WHY) for one in there])
    entitled = Pass("tests", "entry:tests:passed", seconds)

    def go() -> set[str]:
        going = [journal.ledger.terminal(one) for one in assets]
        gone = crossing.cross(going, entitled, tiers=tiers, journal=journal, identity=Assignments(state))
        return crossing.arrived([journal.ledger.terminal(one) for one in gone], "probation")

    assert prefecture.inside(go) == set(assets)
    names = ",".join(journal.ledger.terminal(one).name for one in assets)
    settled = prefecture.playbook("settle.yml", "--limit", names)
    assert settled.returncode == 0, settled.stdout[-2000:]
    return [journal.ledger.terminal(one) for one in assets]


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
