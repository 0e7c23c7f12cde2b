"""What a killed run left half done is first led back to firm ground, and only then is anything new begun.

An interrupted crossing is undone and later done anew: the same end as an undisturbed run, by the shortest safe way.
"""

from __future__ import annotations

from sekisho.core.reason import because
from sekisho.core.sentences import Code
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignment
from sekisho.migration import crossing
from sekisho.migration.journal import Change
from sekisho.migration.wave import Run

_WHY = because(Code.INTERRUPTED)
_NOTHING_HAPPENED = {Standing.ADMITTED, Standing.PREPARED}
_ON_THE_WAY = {Standing.CROSSING, Standing.PROBATION, Standing.CONFIRMING, Standing.RETURNING}


def reconcile(run: Run) -> list[str]:
    """Lead every terminal of the wave that stands between two firm places to one of them; their asset numbers."""
    terminals = run.journal.ledger.terminals(wave=run.wave)
    begun = [one for one in terminals if one.standing in _NOTHING_HAPPENED]
    halfway = [one for one in terminals if one.standing in _ON_THE_WAY]
    if not begun and not halfway and not run.lock.orphans:
        return []
    run.journal.note(
        "run.interrupted",
        {"type": "wave", "name": run.wave},
        {"orphans_ended": len(run.lock.orphans), "halfway": {one.asset: str(one.standing) for one in begun + halfway}},
    )
    run.journal.change([Change(one.asset, Standing.PLANNED, _WHY) for one in begun])
    table = {row.cn: row for row in run.identity.table()} if halfway else {}
    confirmed = [one for one in halfway if _was_confirmed(run, one, table.get(one.asset))]
    run.journal.change(
        [
            Change(one.asset, Standing.CONFIRMED, because(Code.CONFIRMED_BEFORE), "crossing.done", tier="internet")
            for one in confirmed
        ]
    )
    undone = [one for one in halfway if one not in confirmed]
    # A return for a reason of the terminal's own keeps its reason; only what the interruption cut is done anew.
    failed = {one.asset: one.why for one in undone if one.standing == Standing.RETURNING}
    cut = {one.asset: _WHY for one in undone if one.standing != Standing.RETURNING}
    crossing.give_back(failed, wave=run.wave, journal=run.journal, identity=run.identity)
    crossing.give_back(cut, wave=run.wave, journal=run.journal, identity=run.identity, then=Standing.PLANNED)
    return sorted(one.asset for one in begun + halfway)


def _was_confirmed(run: Run, one: Terminal, row: Assignment | None) -> bool:
    """The confirmation reached the RADIUS server, and only its answer was lost."""
    internet = run.tiers.tiers["internet"].vlan
    return one.standing == Standing.CONFIRMING and row is not None and row.vlan == internet and row.lease == one.lease
