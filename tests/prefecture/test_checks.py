"""Every check fails for its own reason when the fact is broken on the machines, and passes again when it is mended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import pytest

import on_probation
from fault import Fault
from faults import ENTRY, EXIT, RETURN, ROUTER
from prefecture import Prefecture, until
from sekisho.fleet.terminal import Terminal
from sekisho.migration import checks, gates
from sekisho.migration.gates import Verdict
from sekisho.policy import controls
from sekisho.policy import gates as policy
from sekisho.policy.gates import GateName

STAFF = [f"PC-{number:04d}" for number in range(1, 13)]
CROSSING = STAFF[: len(EXIT)]


def ask(prefecture: Prefecture, gate: GateName, assets: Sequence[str]) -> dict[str, Verdict]:
    there = [prefecture.terminal(asset) for asset in assets]
    return prefecture.inside(lambda: gates.evaluate(gate, there, state=prefecture.state))


def against(verdict: Verdict) -> dict[str, str]:
    """What stands against a terminal: check and reason."""
    assert verdict.reachable, f"{verdict.asset} was out of reach"
    return {one.check: f"{one.outcome}: {one.detail}" for one in verdict.results if one.outcome != "passed"}


def all_pass(prefecture: Prefecture, gate: GateName, assets: Sequence[str]) -> None:
    verdicts = ask(prefecture, gate, assets)
    assert {asset: against(one) for asset, one in verdicts.items() if not one.passed} == {}
    wanted = set(policy.read().gates[gate].checks)
    assert all({result.check for result in one.results} == wanted for one in verdicts.values())


def each_fails(prefecture: Prefecture, gate: GateName, assets: Sequence[str], faults: Sequence[Fault]) -> None:
    """Break something else on each terminal, ask the gate once, and mend everything."""
    broken: list[tuple[Terminal, Fault]] = list(
        zip((prefecture.terminal(asset) for asset in assets), faults, strict=False)
    )
    assert len(broken) == len(faults), "fewer terminals than faults"
    with ExitStack() as mending:
        for terminal, fault in broken:
            mending.callback(fault.mend, prefecture, terminal)
            fault.apply(prefecture, terminal)
        verdicts = ask(prefecture, gate, [terminal.asset for terminal, _ in broken])
    for terminal, _ in broken:
        prefecture.at_desk(terminal.asset)  # some faults make it authenticate, or ask for its address, anew
    for terminal, fault in broken:
        verdict = verdicts[terminal.asset]
        said = against(verdict)
        assert set(said) == {fault.check} | fault.also, f"{fault.check} ({fault.told}): {said}"
        assert fault.told in said[fault.check], said[fault.check]
        assert said[fault.check].startswith("failed"), said[fault.check]
        assert not verdict.passed


def test_every_check_has_a_fault_where_a_gate_asks_it() -> None:
    known = policy.read().gates
    told: set[str] = set()
    for gate, faults in (("entry", [*sum(ENTRY, ()), *ROUTER]), ("exit", EXIT), ("return", RETURN)):
        told |= {fault.check for fault in faults}
        assert {fault.check for fault in faults} <= set(known[gate].checks)  # type: ignore[index]
    assert told == set(checks.catalogue()), "a check without a fault, or a fault without a check"
    assert told == {check for gate in known.values() for check in gate.checks}, "a check that no gate asks"


def test_every_check_supports_controls_that_exist() -> None:
    known = {one.id for one in controls.read().controls}
    for check in checks.catalogue().values():
        assert check.controls, check.id
        assert set(check.controls) <= known, check.id


def test_five_checks_ask_the_infrastructure() -> None:
    asking = {check.id for check in checks.catalogue().values() if check.asks == "infrastructure"}
    assert len(asking) >= 5
    for gate in policy.read().gates.values():
        assert len(asking & set(gate.checks)) >= 5


def test_a_healthy_terminal_passes_the_entry_gate(prefecture: Prefecture) -> None:
    all_pass(prefecture, "entry", STAFF[:2])


@pytest.mark.parametrize("number", range(len(ENTRY)))
def test_entry_checks_fail_for_their_own_fault(prefecture: Prefecture, number: int) -> None:
    each_fails(prefecture, "entry", STAFF, ENTRY[number])


@pytest.mark.parametrize("fault", ROUTER, ids=lambda fault: fault.told)
def test_the_router_s_rules_are_those_of_the_policy(prefecture: Prefecture, fault: Fault) -> None:
    each_fails(prefecture, "entry", STAFF[:1], [fault])


def test_entry_checks_pass_again(prefecture: Prefecture) -> None:
    for asset in STAFF:
        prefecture.at_desk(asset)
    all_pass(prefecture, "entry", STAFF)


def test_exit_and_return_checks(prefecture: Prefecture) -> None:
    """Probation and quarantine, one after the other, so that terminals cross once for all of their checks."""
    try:
        for asset in CROSSING:  # the business server must have known them before, or its silence says nothing
            assert prefecture.answers(asset.lower(), "10.110.0.10")
        on_probation.cross(prefecture, CROSSING)
        all_pass(prefecture, "exit", CROSSING)
        each_fails(prefecture, "exit", CROSSING, EXIT)
        # The business server remembers a connection for a minute after its end, and the check is right to count it.
        until(lambda: "10.21.1." not in prefecture.do("gyomu", "ss -Htn state all"), 120, "the server has forgotten it")
        all_pass(prefecture, "exit", CROSSING)
        met = CROSSING[: len(RETURN)]
        on_probation.confirm(prefecture, met)
        prefecture.sekisho("rollback", *met)
        for asset in met:
            prefecture.at_desk(asset)
        all_pass(prefecture, "return", met)
        each_fails(prefecture, "return", met, RETURN)
    finally:
        prefecture.home(CROSSING)
