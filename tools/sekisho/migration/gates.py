"""A gate: the checks of `policies/gates.yml`, asked of each terminal, in pytest processes of their own.

"Not evaluated" is never "pass": a check that said nothing counts as failed, and a terminal that cannot be reached is
counted apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sekisho.core import folders, phrases
from sekisho.core.clock import stamp
from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.fleet.terminal import Terminal
from sekisho.migration import checks, reach
from sekisho.policy import gates as policy
from sekisho.policy.gates import GateName
from sekisho.policy.tiers import Label

_PARALLEL = 4
_TIMEOUT = 300.0  # seconds for one process of checks


@dataclass(frozen=True)
class Result:
    """What one check said of one terminal. `commands` are what was asked, where, and what came back."""

    check: str
    outcome: Literal["passed", "failed", "not evaluated"]
    detail: str
    at: str
    commands: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a gate said of one terminal. `reason` is the first thing that stood against it, or that nothing did."""

    asset: str
    gate: GateName
    reachable: bool
    results: tuple[Result, ...]
    reason: Reason

    @property
    def passed(self) -> bool:
        """Every check was evaluated and passed."""
        return self.reachable and bool(self.results) and all(result.outcome == "passed" for result in self.results)

    def facts(self) -> dict[str, Any]:
        """What goes on the chain."""
        return {
            "gate": self.gate,
            "passed": self.passed,
            "reachable": self.reachable,
            "results": [
                {
                    "check": one.check,
                    "outcome": one.outcome,
                    "detail": one.detail,
                    "at": one.at,
                    "commands": list(one.commands),
                }
                for one in self.results
            ],
        }


def evaluate(
    gate: GateName,
    terminals: Sequence[Terminal],
    *,
    state: Path,
    lock: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Verdict]:
    """Ask the gate's checks of every terminal; verdicts by asset number.

    `lock` is the run lock's file, inherited by the processes. `tell` hears each asset number when its checks are done.

    Raises:
        BadInput: the policy names an unknown check.
        SekishoError: the checks themselves could not be run.
    """
    gates = policy.read()
    wanted = checks.of_gate(gates, gate)
    label = gates.gates[gate].label
    here = reach.reachable(terminals)
    asked = [terminal for terminal in terminals if terminal.asset in here]
    groups = [asked[start::_PARALLEL] for start in range(_PARALLEL) if asked[start::_PARALLEL]]
    said: dict[str, dict[str, Result]] = {terminal.asset: {} for terminal in terminals}

    def ask(group: list[Terminal]) -> None:
        for asset, result in _run(gate, wanted, [terminal.asset for terminal in group], state, lock):
            said[asset][result.check] = result
        for terminal in group:
            tell(terminal.asset)

    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        list(pool.map(ask, groups))
    found = {}
    for terminal in terminals:
        results = tuple(said[terminal.asset].get(check.id) or _silent(check.id) for check in wanted)
        reachable = terminal.asset in here
        reason = _reason(label, wanted, results) if reachable else because(Code.OUT_OF_REACH, gate=label)
        found[terminal.asset] = Verdict(terminal.asset, gate, reachable, results, reason)
    return found


def _reason(gate: Label, wanted: Sequence[checks.Check], results: Sequence[Result]) -> Reason:
    for check, result in zip(wanted, results, strict=True):
        if result.outcome != "passed":
            code = Code.CHECK_FAILED if result.outcome == "failed" else Code.CHECK_SILENT
            detail = phrases.both(result.detail)
            return because(code, gate=gate, check=check.id, fact=check, detail=detail, remedy=check.remedy)
    return because(Code.GATE_PASSED, gate=gate)


def _silent(check: str) -> Result:
    return Result(check, "not evaluated", "the check gave no answer", stamp())


def _run(
    gate: GateName, wanted: list[checks.Check], assets: list[str], state: Path, lock: int | None
) -> list[tuple[str, Result]]:
    folder = folders.data("audit") / "checks"
    read, write = os.pipe()
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--tb=line",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
    ]
    argv += ["-c", folder / "pytest.ini", "--gate", gate, "--answers", f"/dev/fd/{write}"]
    argv += [f"--terminal={asset}" for asset in assets]
    argv += [folder / check.node for check in wanted]
    kept = (write,) if lock is None else (write, lock)
    environment = {**os.environ, "SEKISHO_STATE": str(state.resolve()), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=kept,
    ) as process:
        os.close(write)
        with ThreadPoolExecutor(max_workers=1) as pool, os.fdopen(read, encoding="utf-8") as answers:
            lines = pool.submit(answers.readlines)
            try:
                output, _ = process.communicate(timeout=_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
            found = [json.loads(line) for line in lines.result() if line.endswith("\n")]
    if not found:
        said = output.decode(errors="replace")[-800:]
        raise SekishoError(
            Both(
                f"ゲート {gate} の検査を実行できない: {said}", f"the checks of the {gate} gate could not be run: {said}"
            )
        )
    return [
        (
            one["terminal"],
            Result(one["check"], one["outcome"], one["detail"], one["at"], tuple(one["commands"])),
        )
        for one in found
    ]
