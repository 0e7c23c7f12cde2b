"""Fixtures of the checks: the terminal under question, the infrastructure's view of it, and the answers' record.

By hand, from the control machine:  pytest -c audit/checks/pytest.ini audit/checks --gate exit --terminal PC-0001
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import testinfra
from cryptography import x509
from testinfra.host import Host

from sekisho.core import ssh
from sekisho.core.clock import stamp
from sekisho.core.state import open_state
from sekisho.fleet import hosts as hosts_file
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignment, Assignments
from sekisho.policy import gates as gates_file
from sekisho.policy import tiers as tiers_file
from sekisho.policy.tiers import Tiers

_ASKED: list[dict[str, Any]] = []  # commands of the running test: where, what, what came back
_KEPT = 400  # characters of an answer that go into the evidence


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options that say whom to ask."""
    group = parser.getgroup("sekisho")
    group.addoption("--terminal", action="append", default=[], help="asset number; may be given more than once")
    group.addoption("--gate", default=None, help="run the checks of this gate of policies/gates.yml")
    group.addoption("--answers", default=None, help="write one JSON line a check and terminal to this file")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every check is asked of every terminal."""
    if "terminal" in metafunc.fixturenames:
        metafunc.parametrize("terminal", metafunc.config.getoption("--terminal"), indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only the gate's checks, when a gate is named."""
    gate = config.getoption("--gate")
    if gate:
        wanted = set(gates_file.read().gates[gate].checks)
        items[:] = [item for item in items if (mark := item.get_closest_marker("check")) and mark.args[0] in wanted]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """One line an answer. A check that could not be asked is "not evaluated", whatever the cause."""
    report = yield
    where = item.config.getoption("--answers")
    mark = item.get_closest_marker("check")
    if where and mark and (report.when == "call" or (report.when == "setup" and not report.passed)):
        asked = report.when == "call" and (
            report.passed or (call.excinfo is not None and call.excinfo.errisinstance(AssertionError))
        )
        answer = {
            "terminal": item.callspec.params["terminal"],  # type: ignore[attr-defined]
            "check": mark.args[0],
            "outcome": ("passed" if report.passed else "failed") if asked else "not evaluated",
            "detail": "" if report.passed else _told(call),
            "at": stamp(),
            "commands": list(_ASKED),
        }
        with Path(where).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(answer, ensure_ascii=False) + "\n")
        _ASKED.clear()
    return report


def _told(call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return "no reason given"
    said = str(call.excinfo.value).split("\nassert ")[0].strip()
    if _ASKED and said.startswith("Unexpected exit code"):  # testinfra's own words are for programmers
        last = _ASKED[-1]
        return f"{last['host']}: {last['command']}: {last['said'] or 'ended with ' + str(last['code'])}"[:300]
    return said[:300] or call.excinfo.typename


@pytest.fixture(scope="session")
def state_folder() -> Path:
    """The state folder that `sekisho` told us, or ./state."""
    return Path(os.environ.get("SEKISHO_STATE", "state"))


@pytest.fixture(scope="session")
def tiers() -> Tiers:
    """The flow policy."""
    return tiers_file.read()


@pytest.fixture(scope="session")
def ledger(state_folder: Path) -> Iterator[Ledger]:
    """The fleet ledger."""
    state = open_state(state_folder)
    yield Ledger(state)
    state.close()


@pytest.fixture
def terminal(request: pytest.FixtureRequest, ledger: Ledger) -> Terminal:
    """The terminal under question, as the ledger has it."""
    return ledger.terminal(request.param)


@pytest.fixture(scope="session")
def connect(state_folder: Path) -> Any:
    """A function from name and address to a testinfra host whose every command is kept as evidence."""
    configuration = ssh.config(state_folder)

    @cache
    def to(name: str, address: str) -> Host:
        machine = testinfra.get_host(f"ssh://{address}", ssh_config=str(configuration), sudo=True)
        inner = machine.backend.run

        def run(command: str, *args: str, **kwargs: Any) -> Any:
            done = inner(command, *args, **kwargs)
            said = (done.stdout or done.stderr).strip()
            line = {"host": name, "at": stamp(), "command": command % args if args else command}
            _ASKED.append({**line, "code": done.rc, "said": said[:_KEPT]})
            if done.rc == 255:
                raise ConnectionError(f"{name} ({address}) did not answer: {said[:120]}")
            return done

        machine.backend.run = run
        return machine

    return to


@pytest.fixture
def host(terminal: Terminal, tiers: Tiers, connect: Any) -> Host:
    """The terminal itself, in the tier that the ledger names."""
    return connect(terminal.asset, str(tiers.address(terminal.tier, terminal.number)))


@pytest.fixture(scope="session")
def machine(tiers: Tiers, connect: Any) -> Any:
    """A function from a name in inventory/hosts.yml to that machine."""
    known = hosts_file.read(tiers)
    return lambda name: connect(name, str(known.hosts[name].address))


@pytest.fixture(scope="session")
def address_of(tiers: Tiers) -> Any:
    """A function from a name in inventory/hosts.yml to its address."""
    known = hosts_file.read(tiers)
    return lambda name: known.hosts[name].address


@pytest.fixture(scope="session")
def assignments(state_folder: Path) -> dict[str, Assignment]:
    """What the RADIUS server says, by asset number, read once."""
    state = open_state(state_folder)
    try:
        return {one.cn: one for one in Assignments(state).table()}
    finally:
        state.close()


@pytest.fixture
def assignment(terminal: Terminal, assignments: dict[str, Assignment]) -> Assignment:
    """What the RADIUS server says of this terminal."""
    assert terminal.asset in assignments, "the RADIUS server does not know this terminal"
    return assignments[terminal.asset]


@pytest.fixture(scope="session")
def neighbours(machine: Any) -> list[dict[str, Any]]:
    """The core router's neighbour table, read once: interface, address, MAC, state, seconds since confirmed."""
    found: list[dict[str, Any]] = json.loads(machine("core").check_output("ip -j -s neigh show"))
    return found


@pytest.fixture(scope="session")
def router_rules(machine: Any) -> str:
    """Every rule that the core router has in force, read once."""
    return str(machine("core").check_output("nft -s list ruleset"))


@pytest.fixture(scope="session")
def authority(state_folder: Path) -> x509.Certificate:
    """Our CA's certificate."""
    return x509.load_pem_x509_certificate((state_folder / "ca" / "ca.crt").read_bytes())


@pytest.fixture
def addresses(terminal: Terminal, tiers: Tiers) -> dict[str, IPv4Address]:
    """The terminal's address in every tier."""
    return {tier: tiers.address(tier, terminal.number) for tier in tiers.tiers}
