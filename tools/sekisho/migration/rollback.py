"""Undoing: from probation straight home; who has met the internet only through quarantine and a return gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sekisho.core.errors import Refused, SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.migration import crossing, gates
from sekisho.migration.journal import Change
from sekisho.migration.wave import Run

_ON_PROBATION = {Standing.CROSSING, Standing.PROBATION, Standing.CONFIRMING, Standing.RETURNING}


def rollback(run: Run, terminals: Sequence[Terminal], why: Reason) -> dict[str, str]:
    """Take terminals out of the internet tier; what became of each, by asset number.

    Raises:
        Refused: one of them never moves; nothing was done.
        SekishoError: a port did not acknowledge; the terminal stands at `quarantining` and the command can be repeated.
    """
    if fixed := [one.asset for one in terminals if not one.movable]:
        raise Refused(
            Both(f"移行対象外のため取り消せない: {'、'.join(fixed)}", f"never moves: {', '.join(fixed)}"),
            Both("何もしていない。その端末を除いて実行する", "nothing was done; leave it out"),
        )
    home = {one.asset: why for one in terminals if one.standing in _ON_PROBATION}
    crossing.give_back(home, wave=run.wave, journal=run.journal, identity=run.identity)
    met = [one for one in terminals if one.standing in {Standing.CONFIRMED, Standing.QUARANTINING}]
    run.journal.change(
        [
            Change(one.asset, Standing.QUARANTINING, why, "quarantine.intent", lease=one.lease)
            for one in met
            if one.standing == Standing.CONFIRMED
        ]
    )
    answers = run.identity.quarantine(
        {one.asset: one.lease or 0 for one in met},
        vlan=run.tiers.tiers["quarantine"].vlan,
        wave=run.wave,
        gate="rollback",
    )
    run.journal.change(
        [
            Change(
                one.asset,
                Standing.QUARANTINED,
                why,
                "quarantine.done",
                tier="quarantine",
                facts=answers[one.asset].facts,
            )
            for one in met
            if answers[one.asset].done
        ]
    )
    silent = [one.asset for one in met if not answers[one.asset].done]
    if silent:
        raise SekishoError(
            Both(
                f"スイッチが切断を確認しなかった: {'、'.join(silent)}",
                f"not acknowledged by the switch: {', '.join(silent)}",
            ),
            Both("ケーブルを抜き、同じ命令をもう一度実行する", "pull the cable, and run the same command again"),
        )
    return {one.asset: str(run.journal.ledger.terminal(one.asset).standing) for one in terminals}


def release(run: Run, terminals: Sequence[Terminal], *, cleaned_by: str, proof: dict[str, str]) -> None:
    """Take quarantined terminals back to the LGWAN tier, through the return gate.

    `proof` says how they were made clean: the digest of a scan's report, or the day of their reinstallation.

    Raises:
        Refused: one is not in quarantine (nothing was done), or the return gate said no to some; the others are home.
    """
    for one in terminals:
        if one.standing not in {Standing.QUARANTINED, Standing.RELEASING}:
            raise Refused(
                Both(
                    f"{one.asset}は隔離中でない(現在: {one.standing.ja})",
                    f"{one.asset} is {one.standing}, not in quarantine",
                ),
                Both("隔離するには `sekisho rollback`", "`sekisho rollback` takes it there"),
            )
    why = because(Code.MADE_CLEAN, by=cleaned_by, how=_how(proof))
    for one in terminals:
        facts = {"cleaned_by": cleaned_by, **proof, "why": why.as_json()}
        run.journal.note("return.proof", {"type": "terminal", "name": one.asset}, facts)
    stays = _gate(run, terminals)
    going = [one for one in terminals if one.asset not in stays]
    answers = run.identity.release(
        {one.asset: one.lease or 0 for one in going},
        vlan=run.tiers.tiers["lgwan"].vlan,
        wave=run.wave,
        gate="return:passed",
    )
    changes = []
    for one in going:
        answer = answers[one.asset]
        if answer.done:
            home = Change(one.asset, Standing.UNPLANNED, because(Code.RELEASED), "quarantine.released", "lgwan")
            changes.append(replace(home, facts=answer.facts))
        else:
            stays[one.asset] = because(Code.NOT_RELEASED, said=answer.why)
            changes.append(Change(one.asset, Standing.QUARANTINED, stays[one.asset]))
    run.journal.change(changes)
    if stays:
        names = Both("、".join(stays), ", ".join(stays))
        first = next(iter(stays.values()))
        what = Both(f"{names.ja}の隔離を続ける", f"stays in quarantine: {names.en}")
        raise Refused(what, first.next or "", reasons=list(stays.values()))


def _gate(run: Run, terminals: Sequence[Terminal]) -> dict[str, Reason]:
    """Ask the return gate; why those stay who did not pass."""
    verdicts = gates.evaluate("return", terminals, state=run.state.folder, lock=run.lock.descriptor)
    stays, changes = {}, []
    for one in terminals:
        verdict = verdicts[one.asset]
        if not verdict.passed:
            stays[one.asset] = verdict.reason
            run.journal.note("gate.result", {"type": "terminal", "name": one.asset}, verdict.facts())
        elif one.standing == Standing.QUARANTINED:
            passed = Change(one.asset, Standing.RELEASING, verdict.reason, "gate.result", facts=verdict.facts())
            changes.append(passed)
    run.journal.change(changes)
    return stays


def _how(proof: dict[str, str]) -> Both:
    if "reinstalled" in proof:
        return Both(f"{proof['reinstalled']}に再インストール", f"reinstalled on {proof['reinstalled']}")
    digest = proof["scan_report_sha256"]
    return Both(f"検査報告書 (SHA-256 {digest})", f"scan report (SHA-256 {digest})")
