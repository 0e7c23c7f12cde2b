"""What a pack tells: the chain, the ledger and the control catalogue, put together for a reader."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sekisho.core import phrases, reason
from sekisho.core.language import Both
from sekisho.core.reason import Reason
from sekisho.core.state import State
from sekisho.evidence.chain import Chain, Head, Record
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.policy.controls import Control, Controls

_AUDITORS = {"auditor.added", "auditor.removed"}
_ROUTER = {"router.reading", "router.applied"}
_PLANS = {"wave.planned": Standing.PLANNED, "fleet.unplanned": Standing.UNPLANNED}
_OUTCOMES = {"passed", "failed", "not evaluated"}


@dataclass(frozen=True)
class CheckText:
    """What a check says of itself: the fact in both languages, its controls, whom it asks."""

    ja: str
    en: str
    controls: tuple[str, ...]
    asks: str


@dataclass(frozen=True)
class Problem:
    """A check that did not pass: what was seen, and the last command that was asked, of whom, when, and its answer."""

    check: str
    outcome: str
    detail: Both
    asked: Mapping[str, Any] | None


@dataclass
class Step:
    """One record of a terminal's way, for a reader. `problems` are the checks that did not pass, with their reasons."""

    seq: int
    at: str
    kind: str
    who: str
    became: str
    why: Reason
    gate: str = ""
    passed: bool | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class WaveEvent:
    """One record about a whole wave."""

    seq: int
    at: str
    kind: str
    who: str
    passed: bool | None
    reasons: tuple[Reason, ...]


@dataclass
class Tally:
    """How often each outcome of the checks of a control stands on the chain; `checks` are their ids."""

    control: Control
    checks: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass
class Picture:
    """Everything that the report shows.

    `planned`: a terminal's last record of a plan; `hosts`: how many commands of checks each machine was asked;
    `operators`: on how many records each person stands; `outcomes`: of all checks.
    """

    head: Head
    as_of: str
    signer: str
    policies: str
    edition: str
    terminals: list[Terminal]
    ways: dict[str, list[Step]]
    waves: dict[str, list[WaveEvent]]
    auditor_changes: list[Record]
    countersignatures: list[Record]
    imports: list[Record]
    router: list[Record]
    unaccounted: list[tuple[Terminal, str, str]]
    planned: dict[str, tuple[int, str]]
    controls: list[Tally]
    checks: Mapping[str, CheckText]
    unknown_checks: list[str]
    kinds: Counter[str]
    hosts: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    first_at: str = ""

    def summary(self) -> dict[str, int]:
        """The number of terminals at each standing."""
        return dict(sorted(Counter(str(one.standing) for one in self.terminals).items()))

    def ledger(self) -> list[dict[str, Any]]:
        """The terminals as the pack carries them: without the owners' names."""
        return [
            {
                "asset": one.asset,
                "kind": one.kind,
                "department": one.department,
                "home": one.home,
                "tier": one.tier,
                "standing": str(one.standing),
                "wave": one.wave,
                "records": [step.seq for step in self.ways.get(one.asset, [])],
            }
            for one in self.terminals
        ]

    def of_wave(self, name: str) -> list[Terminal]:
        """The terminals of a wave."""
        return [one for one in self.terminals if one.wave == name]

    def problems(self, asset: str) -> list[Problem]:
        """What stood against a terminal at the last gate that was asked of it."""
        gates = [step for step in self.ways.get(asset, []) if step.gate]
        return gates[-1].problems if gates else []

    def stopped(self) -> list[Terminal]:
        """The terminals that did not make it, or not yet: refused, returned, out of reach, deferred, quarantined."""
        held = {Standing.REFUSED, Standing.RETURNED, Standing.UNREACHED, Standing.DEFERRED, Standing.QUARANTINED}
        return [one for one in self.terminals if one.standing in held]


def draw(state: State, checks: Mapping[str, CheckText], catalogue: Controls, policies: str, signer: str) -> Picture:
    """Read the whole chain once and put the picture together. Asked inside a transaction, it is of one moment."""
    terminals = Ledger(state).terminals()
    picture = Picture(
        head=Chain(state).head(),
        as_of="",
        signer=signer,
        policies=policies,
        edition=catalogue.edition,
        terminals=terminals,
        ways=defaultdict(list),
        waves=defaultdict(list),
        auditor_changes=[],
        countersignatures=[],
        imports=[],
        router=[],
        unaccounted=[],
        planned={},
        controls=[Tally(one) for one in catalogue.controls],
        checks=checks,
        unknown_checks=[],
        kinds=Counter(),
    )
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for one in Chain(state).records():
        _take(picture, one, outcomes)
    _tally(picture, outcomes)
    picture.unaccounted = _unaccounted(picture)
    return picture


def _take(picture: Picture, one: Record, outcomes: dict[str, Counter[str]]) -> None:
    picture.as_of = one.at
    picture.first_at = picture.first_at or one.at
    if one.body.get("who"):
        picture.operators[str(one.body["who"])] += 1
    picture.kinds[one.kind] += 1
    if one.kind in _AUDITORS:
        picture.auditor_changes.append(one)
    elif one.kind == "countersignature.accepted":
        picture.countersignatures.append(one)
    elif one.kind == "fleet.imported":
        picture.imports.append(one)
    elif one.kind in _ROUTER:
        picture.router.append(one)
    if one.kind in _PLANS:
        picture.planned |= dict.fromkeys(map(str, one.body.get("terminals") or []), (one.seq, _PLANS[one.kind]))
    if one.subject["type"] == "terminal":
        picture.ways[one.subject["name"]].append(_step(picture, one, outcomes))
    elif one.subject["type"] == "wave":
        picture.waves[one.subject["name"]].append(_event(one))


def _event(one: Record) -> WaveEvent:
    said = one.body.get("reasons") or [one.body.get("why") or one.body.get("stopped")]
    reasons = tuple(reason.read(each) for each in said if each) if isinstance(said, list) else (reason.read(said),)
    passed = one.body.get("passed")
    who = str(one.body.get("who") or "")
    return WaveEvent(one.seq, one.at, one.kind, who, passed if isinstance(passed, bool) else None, reasons)


def _step(picture: Picture, one: Record, outcomes: dict[str, Counter[str]]) -> Step:
    body = one.body
    who, became = str(body.get("who") or ""), str(body.get("became") or "")
    step = Step(one.seq, one.at, one.kind, who, became, reason.read(body.get("why")))
    if one.kind == "gate.result":
        step.gate, step.passed = str(body.get("gate") or ""), body.get("passed") is True
        results = body.get("results")
        for result in results if isinstance(results, list) else []:
            check, outcome = str(result.get("check")), str(result.get("outcome"))
            outcome = outcome if outcome in _OUTCOMES else "not evaluated"
            outcomes[check][outcome] += 1
            picture.outcomes[outcome] += 1
            asked = [line for line in result.get("commands") or [] if isinstance(line, Mapping)]
            picture.hosts.update(str(line.get("host")) for line in asked)
            if outcome != "passed":
                detail = phrases.both(str(result.get("detail") or ""))
                step.problems.append(Problem(check, outcome, detail, asked[-1] if asked else None))
    return step


def _tally(picture: Picture, outcomes: dict[str, Counter[str]]) -> None:
    for tally in picture.controls:
        tally.checks = sorted(name for name, check in picture.checks.items() if tally.control.id in check.controls)
        for name in tally.checks:
            tally.outcomes.update(outcomes.get(name, {}))
    picture.unknown_checks = sorted(set(outcomes) - set(picture.checks))


def _unaccounted(picture: Picture) -> list[tuple[Terminal, str, str]]:
    """Terminals whose standing in the ledger no record explains, with the reason in Japanese and English.

    One that never moved needs only its import.
    """
    imported = {asset for one in picture.imports for asset in one.body.get("added") or []}
    found: list[tuple[Terminal, str, str]] = []
    for one in picture.terminals:
        became = [(step.seq, step.became) for step in picture.ways.get(one.asset, []) if step.became]
        became.append(picture.planned.get(one.asset, (0, "")))
        seq, last = max(became)
        if one.asset not in imported:
            found.append((one, "取込みの記録がない", "no record says that it was imported"))
        elif seq == 0 and one.standing not in {Standing.UNPLANNED, Standing.FIXED}:
            found.append((one, "この状態に至った記録がない", f"no record says how it became {one.standing}"))
        elif seq > 0 and last != one.standing:
            told = Standing(last).ja if last in set(Standing) else last
            found.append((one, f"最後の記録({seq}番)では「{told}」", f"its last record, {seq}, says {last}"))
    return found
