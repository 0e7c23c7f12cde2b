"""The beginning of a run: what must hold before any terminal is touched, and which terminals are to be taken up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sekisho.core.clock import JAPAN, now
from sekisho.core.errors import BadInput, Refused, SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State
from sekisho.evidence import countersignature
from sekisho.fleet.standing import SETTLED, Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignments, differences
from sekisho.migration import checks, resume, wave
from sekisho.migration.journal import Change, Journal
from sekisho.migration.lock import RunLock
from sekisho.migration.wave import Listener, Run
from sekisho.network import router
from sekisho.policy import gates as gates_policy
from sekisho.policy import tiers as tiers_policy
from sekisho.policy import waves as waves_policy

_AGAIN = {Standing.REFUSED, Standing.RETURNED}
_WAITING = {Standing.PLANNED, Standing.UNREACHED}


def unknown_wave(name: str) -> BadInput:
    """What is told to whom names a wave that is not there."""
    return BadInput(
        Both(f"ウェーブ {name} はない", f"there is no wave {name}"),
        Both("`sekisho plan` がウェーブを作り、名前を示す", "`sekisho plan` makes waves and names them"),
    )


@contextmanager
def opened(state: State, name: str, *, who: str, listener: Listener) -> Iterator[Run]:
    """A run that holds the state's lock; the policies are read before it begins.

    Raises:
        BadInput: another run is at work, or a policy is faulty.
    """
    tiers, waves = tiers_policy.read(), waves_policy.read()
    checks.of_gate(gates_policy.read(), "entry")
    with RunLock(state.folder, f"wave {name}") as lock:
        journal = Journal(state, who=who, wave=name)
        yield Run(state, name, tiers, waves, lock, journal, Assignments(state), listener)


def migrate(run: Run, *, retry: bool) -> None:
    """Run the wave to its end, or until its budget is spent.

    Terminals that were never reached are taken up again; those refused or returned only with `retry`.

    Raises:
        BadInput: there is no such wave, or it is done.
        Refused: the entry gate of the wave itself said no, or too much failed.
    """
    terminals = run.journal.ledger.terminals(wave=run.wave)
    if not terminals:
        raise unknown_wave(run.wave)
    if all(one.standing in SETTLED for one in terminals):
        raise BadInput(
            Both(f"ウェーブ {run.wave} は完了している", f"wave {run.wave} is done"),
            Both(
                f"各端末の状態は `sekisho status --wave {run.wave}`",
                f"`sekisho status --wave {run.wave}` shows where its terminals stand",
            ),
        )
    _entry(run)
    resume.reconcile(run)
    todo = _todo(run, retry=retry)
    _reading(run, "before")
    try:
        wave.work(run, todo)
    except SekishoError:
        with suppress(SekishoError):  # what stopped the wave must be told, not that the router is silent too
            _reading(run, "after")
        raise
    _reading(run, "after")


def _entry(run: Run) -> None:
    """The wave's own entry gate: what holds for all of its terminals, or for none."""
    reasons = list(countersignature.standing(run.state))
    freeze = run.waves.freeze_on(now().astimezone(JAPAN).date())
    if freeze is not None:
        reasons.append(because(Code.FREEZE, first=str(freeze.from_), last=str(freeze.to), why=freeze.why))
    if not reasons:  # the network is asked only once the papers are in order
        reasons += [because(Code.ROUTER_DIFFERS, line=line) for line in router.differences(run.state)]
        reasons += _unexplained(run)
    facts = {"gate": "entry", "passed": not reasons, "reasons": [one.as_json() for one in reasons]}
    run.journal.note("gate.result", {"type": "wave", "name": run.wave}, facts)
    if reasons:
        raise Refused(
            Both(f"入口ゲートがウェーブ {run.wave} を拒否した:", f"the entry gate refused wave {run.wave}:"),
            _advice(reasons),
            reasons=reasons,
        )


def _advice(reasons: Sequence[Reason]) -> Both:
    """That nothing happened, and what each reason asks for, once."""
    steps = list(dict.fromkeys(one.next for one in reasons if one.next is not None))
    ja = "。".join(["どの端末にも触れていない", *(one.ja for one in steps)])
    return Both(ja, "; ".join(["no terminal was touched", *(one.en for one in steps)]))


def _unexplained(run: Run) -> list[Reason]:
    """Differences between RADIUS and the ledger that an interrupted run of this wave does not explain."""
    halfway = {
        one.asset
        for one in run.journal.ledger.terminals(wave=run.wave)
        if one.standing in {Standing.CROSSING, Standing.PROBATION, Standing.CONFIRMING, Standing.RETURNING}
    }
    found = differences(run.journal.ledger.terminals(), run.identity.table(), run.tiers)
    return [one.what for one in found if one.asset not in halfway]


def _todo(run: Run, *, retry: bool) -> list[Terminal]:
    wanted = _WAITING | (_AGAIN if retry else set())
    there = [one for one in run.journal.ledger.terminals(wave=run.wave) if one.standing in wanted]
    run.journal.change(
        [Change(one.asset, Standing.PLANNED, because(Code.TAKEN_UP_AGAIN)) for one in _not_planned(there)]
    )
    return [run.journal.ledger.terminal(one.asset) for one in there]


def _not_planned(terminals: Sequence[Terminal]) -> list[Terminal]:
    return [one for one in terminals if one.standing != Standing.PLANNED]


def _reading(run: Run, when: str) -> None:
    facts = router.reading(run.state)
    run.journal.note("router.reading", {"type": "device", "name": "core"}, {"when": when, **facts})
