"""One run of a wave: entry gate, prepare, cross, settle, exit gate, confirm, batch by batch, within its budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sekisho.core import phrases
from sekisho.core.clock import stamp
from sekisho.core.errors import Refused
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignments
from sekisho.migration import crossing, gates, jobs, plan
from sekisho.migration.crossing import Pass
from sekisho.migration.journal import Change, Journal
from sekisho.migration.lock import RunLock
from sekisho.policy.gates import GateName
from sekisho.policy.tiers import Tiers
from sekisho.policy.waves import Waves

_FAILED = {Standing.REFUSED, Standing.RETURNED, Standing.RETURNING}
STAGES = {
    "entry": Both("入口ゲート", "entry gate"),
    "prepare": Both("準備作業", "preparing"),
    "cross": Both("移行", "crossing"),
    "settle": Both("設定作業", "settling"),
    "exit": Both("出口ゲート", "exit gate"),
    "confirm": Both("確定", "confirming"),
    "return": Both("復帰", "going back"),
}
_SAID: dict[jobs.Outcome, Code] = {
    "ok": Code.PLAYBOOK_DONE,
    "failed": Code.PLAYBOOK_FAILED,
    "unreachable": Code.PLAYBOOK_OUT_OF_REACH,
    "missing": Code.PLAYBOOK_SILENT,
}


class Listener(Protocol):
    """Who is told how far the run is: the command line's progress bars, or nobody."""

    def stage(self, name: str, size: int) -> None:
        """A stage begins for `size` terminals of a batch."""

    def task(self, name: str) -> None:
        """Ansible begins a task."""

    def step(self) -> None:
        """One terminal's checks are done."""


@dataclass
class Run:
    """What a run needs to know; made by `start`."""

    state: State
    wave: str
    tiers: Tiers
    waves: Waves
    lock: RunLock
    journal: Journal
    identity: Assignments
    listener: Listener
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.state.path("runs", f"{self.wave}-{stamp().replace(':', '')}")

    def stands(self, assets: Sequence[str]) -> list[Terminal]:
        """The terminals as the ledger has them now."""
        return [self.journal.ledger.terminal(asset) for asset in assets]


def work(run: Run, todo: Sequence[Terminal]) -> None:
    """Take `todo` through, batch by batch.

    Raises:
        Refused: more terminals failed, or were out of reach, than the wave's budget allows; the rest was not touched.
    """
    size = len(run.journal.ledger.terminals(wave=run.wave))
    fleet = plan.department_sizes(run.journal.ledger.terminals())
    within_budget(run, size)  # of an earlier run's failures some may still stand
    for batch in plan.batches(todo, run.waves, fleet):
        _batch(run, batch)
        within_budget(run, size)


def _batch(run: Run, batch: Sequence[Terminal]) -> None:
    admitted = _gate(run, "entry", batch, to=Standing.ADMITTED, otherwise=Standing.REFUSED)
    # A run that was cut off may have changed a file and not restarted the service that reads it.
    cut_off = [one.name for one in batch if one.why.code == Code.INTERRUPTED]
    prepared = _play(
        run,
        "prepare.yml",
        run.stands(admitted),
        to=Standing.PREPARED,
        otherwise=Standing.REFUSED,
        extra={"cut_off": cut_off},
    )
    if not prepared:
        return
    entitled = Pass(run.wave, f"entry:{run.wave}:passed", run.waves.lease_seconds)
    run.listener.stage("cross", len(prepared))
    there = crossing.cross(run.stands(prepared), entitled, tiers=run.tiers, journal=run.journal, identity=run.identity)
    here = crossing.arrived(run.stands(there), "probation")
    _back(run, dict.fromkeys((asset for asset in there if asset not in here), because(Code.SILENT_ON_PROBATION)))
    settled = _play(run, "settle.yml", run.stands([asset for asset in there if asset in here]), to=None, otherwise=None)
    passed = _gate(run, "exit", run.stands(settled), to=None, otherwise=None)
    run.listener.stage("confirm", len(passed))
    crossing.confirm(
        run.stands(passed),
        Pass(run.wave, f"exit:{run.wave}:passed", run.waves.lease_seconds),
        tiers=run.tiers,
        journal=run.journal,
        identity=run.identity,
    )


def _gate(
    run: Run, gate: GateName, batch: Sequence[Terminal], *, to: Standing | None, otherwise: Standing | None
) -> list[str]:
    """Ask a gate of the batch; asset numbers of those who passed. Without `otherwise` those who fail go back."""
    if not batch:
        return []
    run.listener.stage(gate, len(batch))
    verdicts = gates.evaluate(
        gate, batch, state=run.state.folder, lock=run.lock.descriptor, tell=lambda _: run.listener.step()
    )
    changes, passed, back = [], [], {}
    for one in batch:
        verdict = verdicts[one.asset]
        if verdict.passed:
            passed.append(one.asset)
        if to is not None and otherwise is not None:
            standing = to if verdict.passed else otherwise if verdict.reachable else Standing.UNREACHED
            changes.append(Change(one.asset, standing, verdict.reason, "gate.result", facts=verdict.facts()))
        else:
            run.journal.note("gate.result", _terminal(one), {"why": verdict.reason.as_json(), **verdict.facts()})
            if not verdict.passed:
                back[one.asset] = verdict.reason
    run.journal.change(changes)
    _back(run, back)
    return passed


def _play(
    run: Run,
    playbook: str,
    batch: Sequence[Terminal],
    *,
    to: Standing | None,
    otherwise: Standing | None,
    extra: Mapping[str, Any] | None = None,
) -> list[str]:
    """Run a playbook on the batch; asset numbers of those for whom it did its work. Others go back, or stay refused."""
    if not batch:
        return []
    run.listener.stage(playbook.removesuffix(".yml"), len(batch))
    job = jobs.run_playbook(
        playbook,
        [one.name for one in batch],
        state=run.state.folder,
        run_folder=run.folder,
        forks=run.waves.forks,
        tell=run.listener.task,
        extra=extra,
    )
    changes, done, back = [], [], {}
    for one in batch:
        outcome = job.outcomes[one.name]
        said = phrases.both(job.reasons.get(one.name, ""))
        why = because(_SAID[outcome], stage=STAGES[playbook.removesuffix(".yml")], said=said)
        if outcome == "ok":
            done.append(one.asset)
        if to is not None and otherwise is not None:
            standing = to if outcome == "ok" else Standing.UNREACHED if outcome == "unreachable" else otherwise
            changes.append(Change(one.asset, standing, why, "playbook.run", facts=job.evidence(one.name)))
        else:
            run.journal.note("playbook.run", _terminal(one), {"why": why.as_json(), **job.evidence(one.name)})
            if outcome != "ok":
                back[one.asset] = why
    run.journal.change(changes)
    _back(run, back)
    return done


def _terminal(one: Terminal) -> dict[str, str]:
    return {"type": "terminal", "name": one.asset}


def _back(run: Run, reasons: dict[str, Reason]) -> None:
    if reasons:
        run.listener.stage("return", len(reasons))
        crossing.give_back(reasons, wave=run.wave, journal=run.journal, identity=run.identity)


def within_budget(run: Run, size: int) -> None:
    """Stop a wave of `size` terminals in which too many failed, or too many were out of reach: counted apart.

    Raises:
        Refused: with what was counted, which is recorded too.
    """
    standings = [one.standing for one in run.journal.ledger.terminals(wave=run.wave)]
    failed = sum(standing in _FAILED for standing in standings)
    away = sum(standing == Standing.UNREACHED for standing in standings)
    for code, count, allowed in (
        (Code.TOO_MANY_FAILED, failed, run.waves.budgets.failed.of(size)),
        (Code.TOO_MANY_AWAY, away, run.waves.budgets.unreachable.of(size)),
    ):
        if count > allowed:
            why = because(code, size=size, count=count, allowed=allowed)
            facts = {"failed": failed, "unreachable": away, "reasons": [why.as_json()]}
            run.journal.note("wave.stopped", {"type": "wave", "name": run.wave}, facts)
            raise Refused(
                Both(f"ウェーブ {run.wave} を停止した", f"wave {run.wave} was stopped"),
                Both(
                    "残りの端末には触れていない。原因を直して"
                    f" `sekisho migrate --wave {run.wave} --retry` を実行するか、"
                    "直せない端末を `sekisho defer` で延期する",
                    f"the rest was not touched; mend the cause and run `sekisho migrate --wave {run.wave} --retry`,"
                    " or defer those that cannot be mended (`sekisho defer`)",
                ),
                reasons=[why],
            )
