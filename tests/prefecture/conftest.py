"""One lab for all tests of the prefecture: it takes minutes to provision, so it is made once a session.

While writing a test, `SEKISHO_TEST_LAB=NAME` uses a lab that is up and provisioned, such as the one of `make demo`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from prefecture import CHECKOUT, Prefecture, until
from sekisho.core import folders
from sekisho.lab import lifecycle

NAME = f"pref{os.getpid() % 10000}"  # two runs on one machine must not meet


@pytest.fixture(scope="session")
def prefecture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefecture]:
    """Every machine made by `playbooks/site.yml`, every terminal at its desk, an outside confirmation on the chain."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if there := os.environ.get("SEKISHO_TEST_LAB"):
        lab = lifecycle.find(there)
        town = Prefecture(lab, lab.state.parent)
        town.confirm_outside()
        yield town
        return
    folder = tmp_path_factory.mktemp("prefecture")
    plan = folders.data("inventory") / "example" / "lab.yml"
    lifecycle.down(NAME)
    lab = lifecycle.up(NAME, folder / "state", plan, 0, lambda _what, _part: None)
    try:
        town = Prefecture(lab, folder)
        town.sekisho("fleet", "import", CHECKOUT / "inventory" / "example" / "ledger.csv")
        done = town.playbook("site.yml")
        assert done.returncode == 0, done.stdout[-3000:]
        names = [terminal.name for terminal in lab.topology.terminals]
        lab.plug(names, "desk")

        def opened() -> bool:
            town.on("pr-0001", "ping -c1 -W1 10.90.0.1")  # a printer that says nothing is not heard by the switch
            return all(town.vlan(name) for name in names)

        until(opened, 180, "every port is open")
        for name in names:
            if name.startswith("pc-"):
                town.at_desk(name.upper())
        town.confirm_outside()
        yield town
    finally:
        lifecycle.down(NAME)
