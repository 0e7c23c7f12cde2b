"""The lab inside a booted Debian, where systemd is PID 1 and watches units, links and routes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blank_lab import TOPOLOGY, until

from sekisho.lab import base, cgroup, netns
from sekisho.lab.machine import Machine

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")]
CHECKOUT = Path(__file__).resolve().parents[2]
SNAPSHOT = """
systemctl list-units --all --plain --no-legend | awk '{print $1}' | grep -v '^user\\|^session\\|timer$' | sort
systemctl list-unit-files --state=enabled --plain --no-legend | sort
ip -o link; ip rule; ip route show table all; grep -c . /proc/self/mountinfo
"""


@pytest.fixture
def host() -> Iterator[Machine]:
    """This very machine's file system, booted once more with systemd as PID 1; what it writes goes to an overlay."""
    needed = [CHECKOUT, Path(sys.executable), base.cache_folder(), Path("/usr/lib/systemd/systemd")]
    if any(not path.exists() or path.stat().st_dev != Path("/").stat().st_dev for path in needed):
        pytest.skip("the checkout, the cache and systemd must be on the root file system for this")
    name = f"nest{os.getpid()}"
    folder = base.cache_folder() / f".{name}"
    binds = ("/dev/net/tun",) if Path("/dev/net/tun").exists() else ()
    machine = Machine(name, "host", folder / "host", Path("/"), binds)
    machine.blank()
    (machine.upper / "etc/systemd/system").mkdir(parents=True)
    (machine.upper / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/basic.target")
    netns.add([machine.namespace])
    try:
        machine.boot()
        until(lambda: machine.leader() and inside(machine, "systemctl is-active basic.target")[0] == 0, 30, "booted")
        yield machine
    finally:
        machine.kill()
        cgroup.remove(name)
        netns.delete([machine.namespace])
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def inside(machine: Machine, script: str) -> tuple[int, str]:
    done = subprocess.run(machine.command(["sh", "-c", script]), capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_up_and_down_change_nothing_on_a_machine_with_systemd(host: Machine) -> None:
    sekisho = f"{sys.executable} -c 'from sekisho.cli.app import main; main()' lab"
    inside(host, f"cat > /tmp/lab.yml <<'E'\n{TOPOLOGY}\nE")
    before = inside(host, SNAPSHOT)[1]
    code, told = inside(host, f"cd {CHECKOUT} && {sekisho} up --topology /tmp/lab.yml --state /tmp/state")
    assert code == 0, told
    during = inside(host, SNAPSHOT)[1]
    assert "nspawn" not in during
    assert inside(host, f"{sekisho} exec core -- ping -c1 -W2 10.90.1.1")[0] == 0
    assert inside(host, f"{sekisho} down")[0] == 0
    until(lambda: inside(host, SNAPSHOT)[1] == before, 10, "the machine is as it was")
