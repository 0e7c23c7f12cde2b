"""`make bench`: what a wave costs beside the same playbooks and checks run by hand, on one lab, in one run.

bench/wave.py [TERMINALS]        default 50; about three quarters of an hour on two cores
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "prefecture"))

import on_probation
from prefecture import BIN, CHECKOUT, Prefecture, until
from sekisho.core import folders
from sekisho.fleet.terminal import Terminal
from sekisho.lab import lifecycle
from sekisho.migration import plan
from sekisho.policy import waves
from watch import without_network

NAME = "bench"
FOLDER = CHECKOUT / "build" / "bench"
GATES = ("entry", "exit")
DEPARTMENTS = ("総務課", "企画課", "財政課", "人事課", "危機管理課", "環境課", "健康課", "産業課")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def ledger(count: int) -> Path:
    """The example prefecture's ledger with the lab's spare terminals behind it."""
    lines = (CHECKOUT / "inventory" / "example" / "ledger.csv").read_text(encoding="utf-8").splitlines()
    for index in range(count):
        name, mac = f"pc-{101 + index:04d}", f"02:5e:01:00:{(index + 1) >> 8:02x}:{(index + 1) & 255:02x}"
        department = DEPARTMENTS[index % len(DEPARTMENTS)]
        lines.append(f"{name.upper()},{name},{mac},職員端末,LGWAN接続系,{department},{department}")
    file = FOLDER / "ledger.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def prepared(count: int) -> tuple[Prefecture, list[str]]:
    """A provisioned lab with `count` staff terminals at their desks; their asset numbers."""
    lifecycle.down(NAME)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    topology = folders.data("inventory") / "example" / "lab.yml"
    lab = lifecycle.up(NAME, FOLDER / "state", topology, count - 12, lambda _what, _part: None)
    town = Prefecture(lab, FOLDER)
    town.sekisho("fleet", "import", ledger(count - 12))
    say(f"provisioning {len(lab.topology.terminals)} terminals")
    done = town.run(BIN / "ansible-playbook", "-i", "inventory/ledger", "playbooks/site.yml", timeout=3600.0)
    if done.returncode:
        sys.exit(done.stdout[-3000:])
    names = [one.name for one in lab.topology.terminals]
    lab.plug(names, "desk")
    until(lambda: all(town.vlan(name) for name in names), 180, "every port is open")
    assets = [one.name.upper() for one in lab.topology.terminals if one.name.startswith("pc-")]
    for asset in assets:
        town.at_desk(asset)
    town.confirm_outside()
    return town, assets


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def playbook(town: Prefecture, name: str, batch: Sequence[Terminal], forks: int) -> None:
    limit = FOLDER / "limit"
    limit.write_text("\n".join(one.name for one in batch) + "\n", encoding="utf-8")
    done = town.playbook(name, "--limit", f"@{limit}", "--forks", str(forks))
    if done.returncode:
        sys.exit(done.stdout[-2000:])


def checks(town: Prefecture, gate: str, batch: Sequence[Terminal]) -> None:
    """The gate's checks by plain pytest, as a person would run them by hand."""
    folder = CHECKOUT / "audit" / "checks"
    words = [f"--terminal={one.asset}" for one in batch]
    town.run(BIN / "pytest", "-q", "-c", folder / "pytest.ini", folder, "--gate", gate, *words, timeout=1800.0)


def drive(town: Prefecture, wave: str) -> dict[str, object]:
    done = town.run(sys.executable, Path(__file__).with_name("drive.py"), town.state, wave, timeout=7200.0)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said


def dark(town: Prefecture, batches: Sequence[Sequence[Terminal]]) -> list[float]:
    """Seconds without network of every passage of a terminal, batch by batch; only the one that crosses is probed."""
    found: list[float] = []
    for batch in batches:
        assets = [one.asset for one in batch]

        def go(going: Sequence[str] = assets) -> None:
            on_probation.cross(town, going)
            on_probation.confirm(town, going)

        passages = without_network(town, assets, go)
        if missing := [asset for asset in assets if len(passages[asset]) != 2]:
            sys.exit(f"not two passages, into probation and out of it: {', '.join(missing)}")
        found += [one.seconds for some in passages.values() for one in some]
    return found


def main(count: int) -> int:
    town, assets = prepared(count)
    policy = waves.read()
    say("a wave of 10, for its memory")
    few = drive(town, town.wave(*assets[:10]))
    town.home(assets[:10])

    wave = town.wave(*assets)
    terminals = [town.terminal(asset) for asset in assets]
    batches = plan.batches(terminals, policy, plan.department_sizes(terminals))
    plain: dict[str, float] = {}
    say(f"by hand: prepare and the entry gate's checks, {len(batches)} batches")
    plain["prepare"] = sum(timed(lambda b=b: playbook(town, "prepare.yml", b, policy.forks)) for b in batches)
    plain["entry"] = sum(timed(lambda b=b: checks(town, "entry", b)) for b in batches)
    say(f"migrate, {len(assets)} terminals")
    many = drive(town, wave)
    files = sum(1 for path in (town.state / "runs").rglob("*") if path.is_file())
    say("by hand: settle and the exit gate's checks")
    plain["settle"] = sum(timed(lambda b=b: playbook(town, "settle.yml", b, policy.forks)) for b in batches)
    plain["exit"] = sum(timed(lambda b=b: checks(town, "exit", b)) for b in batches)
    report(count, few, many, plain, files)
    say("time without network, batch by batch")
    town.home(assets)
    seconds = dark(town, batches)
    print(f"  without network: median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s  (aim 1)")
    print(f"  of {len(seconds)} passages of {len(assets)} terminals", flush=True)
    lifecycle.down(NAME)
    return 0


def report(count: int, few: dict[str, object], many: dict[str, object], plain: dict[str, float], files: int) -> None:
    stages, whole = dict(many["stages"]), float(str(many["whole"]))  # type: ignore[call-overload]
    gates = sum(stages.get(gate, 0.0) for gate in GATES)
    playbooks = plain["prepare"] + plain["settle"]
    print(f"\n{count} terminals, same forks and batches on both sides")
    for name, seconds in stages.items():
        by_hand = f"{plain[name]:8.1f} s by hand" if name in plain else ""
        print(f"  {name:<10} {seconds:8.1f} s  {by_hand}")
    print(f"  without gates: {whole - gates:.1f} s / {playbooks:.1f} s = {(whole - gates) / playbooks:.2f}  (aim 1.1)")
    total = sum(plain.values())
    print(f"  with gates:    {whole:.1f} s / {total:.1f} s = {whole / total:.2f}  (aim 1.1)")
    peaks = [int(str(one["peak_kb"])) / 1024 for one in (few, many)]
    print(f"  peak memory: {peaks[0]:.0f} MiB at 10 terminals, {peaks[1]:.0f} MiB at {count}")
    print(f"  files that the runs left: {files}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
