"""The crossing of one batch: two phases, with a lease between them that undoes itself.

    prepared ─ intent ─► crossing ─ acknowledged ─► probation ─ settle, exit gate ─► confirming ─► confirmed
                            └─ not acknowledged ─► returned ◄─ given back, or the lease ended ─┘

Every arrow is recorded before the network is asked, so that a crash leaves an intent that resuming can follow up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Answer, Assignments
from sekisho.migration import reach
from sekisho.migration.journal import Change, Journal
from sekisho.policy.tiers import Tiers

_ARRIVAL = 25.0  # seconds for a terminal to authenticate, get its address and answer in its new tier


@dataclass(frozen=True)
class Pass:
    """What entitles a batch to cross: the wave and the gate result that is on the chain."""

    wave: str
    gate: str
    seconds: int


def cross(
    terminals: Sequence[Terminal], entitled: Pass, *, tiers: Tiers, journal: Journal, identity: Assignments
) -> list[str]:
    """Take the batch into probation; asset numbers of those that arrived there, by acknowledgement."""
    leases = _leases(terminals, journal)
    begins = because(Code.CROSSING_BEGINS)
    journal.change(
        [Change(one.asset, Standing.CROSSING, begins, "crossing.intent", lease=leases[one.asset]) for one in terminals]
    )
    answers = identity.cross(
        leases,
        vlan=tiers.tiers["probation"].vlan,
        back=tiers.tiers["lgwan"].vlan,
        seconds=entitled.seconds,
        wave=entitled.wave,
        gate=entitled.gate,
    )
    changes, arrived = [], []
    for one in terminals:
        answer = answers[one.asset]
        if answer.done:
            arrived.append(one.asset)
            changes.append(_arrived(one, answer, leases[one.asset]))
        else:
            changes.append(
                Change(
                    one.asset,
                    Standing.RETURNED,
                    because(Code.STAYED, said=answer.why),
                    "crossing.refused",
                    tier="lgwan",
                    facts=answer.facts,
                )
            )
    journal.change(changes)
    return arrived


def arrived(terminals: Sequence[Terminal], tier: str) -> set[str]:
    """Asset numbers of those that answer in `tier`, waiting for them as long as authentication and DHCP may take."""
    deadline = time.monotonic() + _ARRIVAL
    here: set[str] = set()
    while len(here) < len(terminals) and time.monotonic() < deadline:
        here |= reach.reachable([one for one in terminals if one.asset not in here], tier=tier)
        if len(here) < len(terminals):
            time.sleep(0.2)
    return here


def confirm(
    terminals: Sequence[Terminal], entitled: Pass, *, tiers: Tiers, journal: Journal, identity: Assignments
) -> list[str]:
    """Open the internet tier to those that passed the exit gate; asset numbers of those whom the lease still held.

    A confirmation that comes after the lease's end, by the RADIUS server's clock, fails: the terminal has returned.
    """
    if not terminals:
        return []
    leases = {one.asset: one.lease or 0 for one in terminals}
    begins = because(Code.CONFIRMATION_BEGINS)
    journal.change(
        [Change(one.asset, Standing.CONFIRMING, begins, "crossing.intent", lease=one.lease) for one in terminals]
    )
    answers = identity.confirm(leases, vlan=tiers.tiers["internet"].vlan, wave=entitled.wave, gate=entitled.gate)
    changes, confirmed = [], []
    for one in terminals:
        answer = answers[one.asset]
        if answer.done:
            confirmed.append(one.asset)
            change = Change(
                one.asset,
                Standing.CONFIRMED,
                because(Code.CONFIRMED),
                "crossing.done",
                tier="internet",
                lease=one.lease,
                facts=answer.facts,
            )
        else:
            change = Change(
                one.asset,
                Standing.RETURNED,
                because(Code.TOO_LATE, said=answer.why),
                "crossing.returned",
                tier="lgwan",
                facts=answer.facts,
            )
        changes.append(change)
    journal.change(changes)
    return confirmed


def give_back(
    reasons: Mapping[str, Reason],
    *,
    wave: str,
    journal: Journal,
    identity: Assignments,
    then: Standing = Standing.RETURNED,
) -> None:
    """Take terminals on probation back to the LGWAN tier, each for its reason; `then` is where they stand after."""
    if not reasons:
        return
    ledger = journal.ledger
    there = [ledger.terminal(asset) for asset in reasons]
    journal.change(
        [
            Change(one.asset, Standing.RETURNING, reasons[one.asset], "crossing.return_intent", lease=one.lease)
            for one in there
            if one.standing != Standing.RETURNING
        ]
    )
    answers = identity.give_back({one.asset: one.lease or 0 for one in there}, wave=wave, gate="exit:failed")
    changes = []
    for one in there:
        answer = answers[one.asset]
        if answer.done:
            changes.append(
                Change(
                    one.asset,
                    Standing.RETURNED,
                    reasons[one.asset],
                    "crossing.returned",
                    tier="lgwan",
                    facts=answer.facts,
                )
            )
    journal.change(changes)
    if then != Standing.RETURNED:
        journal.change([Change(change.asset, then, change.why) for change in changes])


def _leases(terminals: Sequence[Terminal], journal: Journal) -> dict[str, int]:
    with journal.state.transaction() as tx:
        return {one.asset: tx.next("lease") for one in terminals}


def _arrived(one: Terminal, answer: Answer, lease: int) -> Change:
    return Change(
        one.asset,
        Standing.PROBATION,
        because(Code.SESSION_ENDED),
        "crossing.acknowledged",
        tier="probation",
        lease=lease,
        facts=answer.facts,
    )
