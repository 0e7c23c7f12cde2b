"""Up and down leave nothing behind, whenever they are cut off; labs with different names do not meet."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from blank_lab import TOPOLOGY

from sekisho.lab import cgroup

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")]
SEKISHO = [sys.executable, "-c", "from sekisho.cli.app import main; main()", "lab"]
CYCLE = f"cycle{os.getpid()}"  # two test runs on one machine must not meet
ONE, TWO = f"{CYCLE}a", f"{CYCLE}b"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plan") / "lab.yml"
    file.write_text(TOPOLOGY)
    return file


@pytest.fixture(autouse=True)
def removed() -> object:
    yield
    for name in (ONE, TWO):
        sekisho("down", name)


def sekisho(command: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SEKISHO, command, "--name", name, *words], capture_output=True, text=True, timeout=120)


def up(name: str, plan: Path, state: Path) -> subprocess.CompletedProcess[str]:
    return sekisho("up", name, "--topology", str(plan), "--state", str(state))


def host() -> dict[str, str]:
    """What of this machine a lab must not change; other people's labs may come and go meanwhile."""

    def told(*words: str) -> str:
        if shutil.which(words[0]) is None:
            return ""
        return subprocess.run(words, capture_output=True, text=True).stdout

    mine = (f"sk-{ONE}-", f"sk-{TWO}-", f"sekisho.{ONE}", f"sekisho.{TWO}", f"lab/{ONE}", f"lab/{TWO}")
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if any(m in line for m in mine)]
    processes = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if any(m in _read(path) + _read(path.with_name("cgroup")) for m in mine)
        and "State:\tZ" not in _read(path.with_name("status"))  # dead, and waiting for this machine's PID 1
    ]
    folders = [str(path) for root in cgroup.hierarchies() for path in root.glob(f"sekisho.{CYCLE}*")]
    folders += [str(path) for path in Path("/run/netns").glob(f"sk-{CYCLE}*")]
    folders += [str(path) for path in Path("/run/systemd/nspawn").rglob(f"sk-{CYCLE}*")]
    folders += [str(path) for path in Path("/run/sekisho").glob(f"{CYCLE}*")]
    return {
        "links": "\n".join(line.split("@")[0] for line in told("ip", "-o", "link").splitlines()),
        "addresses": told("ip", "-o", "-4", "address"),
        "routes": told("ip", "route", "show", "table", "all"),
        "rules": told("ip", "rule"),
        "nft": told("nft", "list", "ruleset"),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "units": "\n".join(sorted(map(str, Path("/etc/systemd/system").rglob("*")))),
        "mounts": "\n".join(mounts),
        "processes": "\n".join(processes),
        "folders": "\n".join(folders),
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_two_labs_and_nothing_left(plan: Path, tmp_path: Path) -> None:
    before = host()
    first, second = up(ONE, plan, tmp_path / "one"), up(TWO, plan, tmp_path / "two")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    for name in (ONE, TWO):
        told = json.loads(sekisho("status", name, "--json").stdout)
        assert all(machine["running"] for machine in told["machines"])
        assert told["ports"]["pc-0001"]["vlan"] == 90
    again = up(ONE, plan, tmp_path / "one")
    assert again.returncode == 2
    assert "up already" in again.stderr
    lingering = subprocess.Popen([*SEKISHO, "exec", "--name", ONE, "control", "--", "sleep", "600"])
    assert sekisho("down", ONE).returncode == 0
    assert lingering.wait(timeout=10) != 0  # what was started in its control ends with it
    assert sekisho("exec", TWO, "core", "--", "ping", "-c1", "-W2", "10.90.1.1").returncode == 0
    sekisho("down", TWO)
    during = host()
    assert during == before
    assert not (tmp_path / "one/lab" / ONE).exists()
    assert (tmp_path / "one/ssh/id_ed25519").stat().st_mode & 0o777 == 0o600


def test_the_host_sees_nothing_of_a_lab(plan: Path, tmp_path: Path) -> None:
    before = host()
    assert up(ONE, plan, tmp_path / "state").returncode == 0
    during = host()
    for what in ("links", "addresses", "routes", "rules", "nft", "forwarding", "units"):
        assert during[what] == before[what], what
    assert all("/run/netns/" in line for line in during["mounts"].splitlines())


def test_killed_at_any_moment(plan: Path, tmp_path: Path) -> None:
    """`up` is killed at ten moments; the next `up`, or `down`, finds nothing that it stumbles over."""
    before = host()
    chance = random.Random(3)
    for attempt in range(10):
        state = tmp_path / f"state{attempt}"
        words = [*SEKISHO, "up", "--name", ONE, "--topology", str(plan), "--state", str(state)]
        started = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.25, 1.8))
        started.send_signal(signal.SIGKILL)
        started.wait()
        if attempt % 3 == 2 and started.returncode < 0:
            done = up(ONE, plan, tmp_path / "other")
            assert done.returncode == 0 or "up already" in done.stderr, done.stderr
        done = sekisho("down", ONE)
        assert done.returncode == 0, done.stderr
        left = host()
        assert left == before, {what: left[what] for what in left if left[what] != before[what]}
        assert not list(tmp_path.glob("*/lab/*/*"))


def test_wrong_use_is_told_in_words(plan: Path, tmp_path: Path) -> None:
    assert f"no lab '{ONE}' is up" in sekisho("status", ONE).stderr
    assert sekisho("status", ONE).returncode == 2
    assert sekisho("up", "not-good").returncode == 2
    assert sekisho("down", ONE).stdout.strip().endswith("nothing to do")
    bad = tmp_path / "bad.yml"
    bad.write_text(plan.read_text().replace("10.9.0.3, gateway", "10.8.0.3, gateway"))
    done = up(ONE, bad, tmp_path)
    assert done.returncode == 2
    assert "10.8.0.3 is not in management" in done.stderr
    nobody = subprocess.run(
        [*SEKISHO, "up"], capture_output=True, text=True, user=65534, group=65534, extra_groups=[], check=False
    )
    if "No module named" not in nobody.stderr:  # the checkout may be closed to others
        assert nobody.returncode == 3
        assert "needs root" in nobody.stderr
