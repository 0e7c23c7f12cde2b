"""The lab inside a booted Debian, where systemd is PID 1 and watches units, links and routes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from blank_lab import until

from sekisho.lab import base, cgroup, netns
from sekisho.lab.machine import Machine

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")]
CHECKOUT = Path(__file__).resolve().parents[2]
UNITS = """
systemctl list-units --all --plain --no-legend | awk '{print $1}' | grep -v '^user\\|^session\\|timer$' | sort
systemctl list-unit-files --state=enabled --plain --no-legend | sort
"""
NETWORK = "ip -o link; ip rule; ip route show table all; nft list ruleset 2>/dev/null; true"
SNAPSHOT = f"{UNITS}; {NETWORK}; grep -c . /proc/self/mountinfo"
# One terminal crosses: provisioned, confirmed from outside, moved; every command as the README has it.
CROSSING = """set -e
export PATH={bin}:$PATH SEKISHO_STATE=/tmp/state ANSIBLE_CONFIG=$PWD/playbooks/ansible.cfg HOME=/root
control="sekisho lab exec control --"
sekisho lab up --topology /tmp/lab.yml
$control sekisho fleet import /tmp/ledger.csv
$control ansible-playbook -i inventory/ledger playbooks/site.yml
sekisho lab plug pc-0001 desk
sekisho auditor keygen /tmp/auditor.key
sekisho auditor add /tmp/auditor.key.pub --name auditor
sekisho pack build -o /tmp/pack.zip
sekisho pack countersign /tmp/pack.zip --key /tmp/auditor.key --verdict yes --expires {expires} -o /tmp/signed.json
sekisho auditor accept /tmp/signed.json
$control sekisho plan
for second in $(seq 60); do sekisho lab status | grep -q 'pc-0001.*open *10' && break; sleep 1; done
$control sekisho migrate --wave pilot --json
"""


@pytest.fixture
def host() -> Iterator[Machine]:
    """This very machine's file system, booted once more with systemd as PID 1; what it writes goes to an overlay."""
    needed = [CHECKOUT, Path(sys.executable), base.cache_folder(), Path("/usr/lib/systemd/systemd")]
    if any(not path.exists() or path.stat().st_dev != Path("/").stat().st_dev for path in needed):
        pytest.skip("the checkout, the cache and systemd must be on the root file system for this")
    name = f"nest{os.getpid()}"
    folder = base.cache_folder() / f".{name}"
    tunnels = ("/dev/net/tun",) if Path("/dev/net/tun").exists() else ()
    # The checkout by itself as well: where it lies below /tmp, the machine's own /tmp would hide it.
    machine = Machine(name, "host", folder / "host", Path("/"), (*tunnels, str(CHECKOUT)))
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
    argv = machine.command(["sh", "-c", f"cd {CHECKOUT}; {script}"])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=800)
    return done.returncode, done.stdout + done.stderr


def one_terminal(machine: Machine) -> None:
    """The example prefecture with a single staff terminal, in the machine's /tmp."""
    example = CHECKOUT / "inventory" / "example"
    plan = yaml.safe_load((example / "lab.yml").read_text(encoding="utf-8"))
    plan["terminals"] = plan["terminals"][:1]
    ledger = "".join((example / "ledger.csv").read_text(encoding="utf-8").splitlines(keepends=True)[:2])
    for name, text in (("lab.yml", yaml.safe_dump(plan)), ("ledger.csv", ledger)):
        argv = machine.command(["sh", "-c", f"cat > /tmp/{name}"])
        subprocess.run(argv, input=text.encode(), check=True, timeout=30)


@pytest.mark.slow
def test_a_crossing_changes_nothing_on_a_machine_with_systemd(host: Machine) -> None:
    one_terminal(host)
    assert inside(host, "rm -f /usr/sbin/policy-rc.d")[0] == 0  # it would keep a daemon from starting by mistake
    before, units, network = (inside(host, script)[1] for script in (SNAPSHOT, UNITS, NETWORK))
    expires = (datetime.now(UTC) + timedelta(days=30)).date()
    code, told = inside(host, CROSSING.format(bin=Path(sys.executable).parent, expires=expires))
    assert code == 0, told[-3000:]
    assert '"standing": "confirmed"' in told
    new = set(inside(host, UNITS)[1].splitlines()) - set(units.splitlines())
    assert all(unit.endswith(".mount") for unit in new), new  # systemd sees the namespaces' names as mounts
    assert inside(host, NETWORK)[1] == network
    assert inside(host, f"{Path(sys.executable).parent}/sekisho lab down")[0] == 0
    until(lambda: inside(host, SNAPSHOT)[1] == before, 20, "the machine is as it was")
