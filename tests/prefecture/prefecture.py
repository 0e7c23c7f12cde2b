"""The example prefecture in a lab: everything provisioned by the playbooks, each terminal at its desk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sekisho.core.reason import typed
from sekisho.core.state import State, open_state
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignment, Assignments
from sekisho.lab import netns
from sekisho.lab.lab import Lab
from sekisho.migration.journal import Change, Journal

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SEKISHO = BIN / "sekisho"
_AWAY = {"crossing", "probation", "confirming", "returning", "confirmed", "quarantining"}
Result = TypeVar("Result")


def until(check: Callable[[], Result], seconds: float, what: str) -> Result:
    """Wait until `check` answers something true, and return it."""
    start = time.monotonic()
    while not (found := check()):
        assert time.monotonic() - start < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


class Prefecture:
    """What a test does to the lab and asks of the product; every command runs where control runs."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.state = lab.state
        self.environment = {
            **os.environ,
            "SEKISHO_STATE": str(self.state),
            "ANSIBLE_CONFIG": str(CHECKOUT / "playbooks" / "ansible.cfg"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "COLUMNS": "200",
        }
        self._namespace = netns.name(lab.name, "control")

    # The control machine

    def argv(self, *words: str | Path) -> list[str]:
        """The argv that runs `words` in control's namespace."""
        return self.lab.command("control", [str(word) for word in words])

    def run(self, *words: str | Path, timeout: float = 600.0, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words),
            env=self.environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def sekisho(self, *words: str | Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command of the product; `code` is the exit code that it must have, None for any."""
        done = self.run(SEKISHO, *words)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str | Path, code: int | None = 0) -> Any:
        return json.loads(self.sekisho(*words, "--json", code=code).stdout)

    def playbook(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook by hand."""
        return self.run(BIN / "ansible-playbook", "-i", "inventory/ledger", f"playbooks/{name}", *words, timeout=900)

    def inside(self, work: Callable[[], Result]) -> Result:
        """Call `work` in this process, in control's network namespace."""
        return netns.inside(self._namespace, work)

    # Machines

    def on(self, machine: str, script: str, *, timeout: float = 60.0) -> tuple[int, str]:
        """Run a shell script on a machine as root; its exit code and what it said."""
        done = subprocess.run(
            self.lab.command(machine, ["sh", "-c", script]), capture_output=True, text=True, timeout=timeout
        )
        return done.returncode, done.stdout + done.stderr

    def do(self, machine: str, script: str) -> str:
        """As `on`, and it must succeed."""
        code, told = self.on(machine, script)
        assert code == 0, f"{machine}: {script}: {told}"
        return told

    def vlan(self, name: str) -> int | None:
        """The VLAN of a terminal's port as the switch's own database has it; None while it is closed."""
        found = self.lab.status()["ports"].get(name, {}).get("vlan")  # a switch that starts has no port yet
        return int(found) if found else None

    def answers(self, name: str, address: str, port: int = 443) -> bool:
        """Whether a connection from the machine to an address is taken."""
        script = f"curl --silent --output /dev/null --insecure --max-time 2 https://{address}:{port}/"
        return self.on(name, script)[0] not in {7, 28}

    # The product's own view

    def opened(self) -> State:
        return open_state(self.state)

    def terminal(self, asset: str) -> Terminal:
        return Ledger(self.opened()).terminal(asset)

    def row(self, asset: str) -> Assignment:
        """What the RADIUS server's table says of a terminal."""
        return next(one for one in self.inside(Assignments(self.opened()).table) if one.cn == asset)

    # The way of a terminal

    def confirm_outside(self) -> None:
        """The auditor's part: verify a pack and countersign it. The auditor's key is made at the first time."""
        key = self.folder / "auditor.key"
        if not key.exists():
            self.sekisho("auditor", "keygen", key)
            self.sekisho("auditor", "add", f"{key}.pub", "--name", "外部監査人")
        pack, signed = self.folder / "pack.zip", self.folder / "countersignature.json"
        self.sekisho("pack", "build", "-o", pack)
        expires = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        words = ("pack", "countersign", pack, "--key", key, "--verdict", "yes", "--expires", expires, "-o", signed)
        self.sekisho(*words)
        self.sekisho("auditor", "accept", signed)

    def wave(self, *assets: str) -> str:
        """Put terminals into a wave of their own; the wave's name."""
        words = [word for asset in assets for word in ("--terminal", asset)]
        return str(self.json("plan", *words)["made"][0]["name"])

    def home(self, assets: Sequence[str]) -> None:
        """Take terminals home to the LGWAN tier, by the product's own ways, and out of their waves."""
        there = [self.terminal(asset) for asset in assets]
        if away := [one.asset for one in there if one.standing in _AWAY]:
            self.sekisho("rollback", *away)
        there = [self.terminal(asset) for asset in assets]
        if quarantined := [one.asset for one in there if one.standing in {"quarantined", "releasing"}]:
            for asset in quarantined:
                self.at_desk(asset)
            clean = ("--cleaned-by", "情報政策課", "--reinstalled", "2026-11-24")
            self.sekisho("release", *quarantined, *clean)
        for asset in assets:
            journal = Journal(self.opened(), who="test", wave=None)
            if self.terminal(asset).standing in {"refused", "returned", "unreached", "deferred"}:
                journal.change([Change(asset, Standing.PLANNED, typed("test"))])
            if self.terminal(asset).standing == "planned":
                journal.change([Change(asset, Standing.UNPLANNED, typed("test"))])
            self.at_desk(asset)

    def at_desk(self, asset: str) -> None:
        """Wait until a terminal's port is open in the tier that the ledger says, and it answers there."""
        one = self.terminal(asset)
        vlan = self.row(asset).vlan
        until(lambda: self.vlan(one.name) == vlan, 60, f"{one.name} is in VLAN {vlan}")
        until(
            lambda: self.on(one.name, f"grep -qx {one.tier} /run/sekisho/profile")[0] == 0, 20, f"{one.name}'s profile"
        )
