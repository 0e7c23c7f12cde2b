"""A lab: up, down, and what can be done to it meanwhile."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.lab import base as bases
from sekisho.lab import cables, cgroup, journal, keys, netns, plan
from sekisho.lab.machine import Machine
from sekisho.lab.switch.install import install
from sekisho.lab.topology import Machine as Planned
from sekisho.lab.topology import PlugMode, Terminal, Topology
from sekisho.lab.topology import read as read_topology

Report = Callable[[str, float], None]
_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
_BOOT_PATIENCE = 60.0  # seconds; a machine needs a third of one when the processor is free


class Lab:
    """A lab that is up, or is being made."""

    def __init__(self, name: str, entry: journal.Entry) -> None:
        self.name = name
        self.entry = entry
        self.state = Path(entry.state)
        self.topology: Topology = read_topology(Path(entry.topology)).with_spares(entry.spares)

    @property
    def folder(self) -> Path:
        """Where its machines' overlays are."""
        return self.state / "lab" / self.name

    def machine(self, name: str) -> Machine:
        """One of its machines.

        Raises:
            BadInput: it has none of that name.
        """
        known = plan.machine_names(self.topology)
        if name.lower() not in known:
            raise BadInput(f"lab {self.name!r} has no machine {name!r}", f"it has: control {' '.join(known)}")
        is_switch = name == self.topology.switch.name
        binds = ("/dev/net/tun",) if is_switch and Path("/dev/net/tun").exists() else ()
        return Machine(self.name, name.lower(), self.folder / name.lower(), Path(self.entry.base), binds)

    def machines(self) -> list[Machine]:
        """All of them, the switch first."""
        return [self.machine(name) for name in plan.machine_names(self.topology)]

    def make(self, report: Report) -> None:
        """Make what an installer would: namespaces, cables, blank machines; then boot them."""
        report("cables", 0.0)
        names = [plan.CONTROL, *plan.machine_names(self.topology)]
        netns.add([netns.name(self.name, name) for name in names])
        cables.lay(plan.cables(self.name, self.topology))
        self._connect_control()
        authorized = keys.control_key(self.state)
        known: dict[str, tuple[str, Iterable[str]]] = {}
        reachable: dict[str, Planned | Terminal] = {}
        reachable |= {machine.name: machine for machine in self.topology.machines}
        reachable |= {terminal.name: terminal for terminal in self.topology.terminals}
        for machine in self.machines():
            key = keys.new_key(machine.name)
            machine.blank()
            machine.put(plan.INSTALLER, plan.network_file(self.topology, machine.name))
            machine.put("etc/ssh/ssh_host_ed25519_key", key.private, mode=0o600)
            machine.put("etc/ssh/ssh_host_ed25519_key.pub", key.public + "\n")
            if machine.name in reachable:
                machine.put("home/admin/.ssh/authorized_keys", authorized + "\n", mode=0o600, owner=1000)
                known[machine.name] = (key.public, plan.addresses(self.topology, reachable[machine.name]))
            else:
                install(machine, self.topology, keys.radius_secret(self.state))
        keys.write_known_hosts(self.state, known)
        self._boot(self.machines(), report)
        self._await_switch()

    def _await_switch(self) -> None:
        until = time.monotonic() + _BOOT_PATIENCE
        while True:
            try:
                self.switch({"status": True})
            except SekishoError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def _connect_control(self) -> None:
        control, namespace = self.topology.control, netns.name(self.name, plan.CONTROL)
        address = self.topology.interface(control.network, control.address)
        gateway = self.topology.networks[control.network].gateway
        netns.batch([f"address add {address} dev {plan.CARD}", f"route add default via {gateway}"], namespace=namespace)

    def _boot(self, machines: list[Machine], report: Report) -> None:
        def start(machine: Machine) -> str:
            machine.boot()
            machine.wait(_BOOT_PATIENCE)
            return machine.name

        with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
            waiting = [pool.submit(start, machine) for machine in machines]
            try:
                for count, done in enumerate(as_completed(waiting), start=1):
                    report(done.result(), count / len(machines))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def plug(self, names: Iterable[str], mode: PlugMode) -> None:
        """Put terminals' cables to the bench or a desk, or pull them out.

        Raises:
            BadInput: a name is not a terminal's.
        """
        wanted = {self.machine(name).name: mode for name in names}
        for name in wanted:
            if plan.kind(self.topology, name) != "terminal":
                raise BadInput(f"{name} is not a terminal: its cable is fixed", "name terminals")
        self.switch({"plug": wanted})

    def power(self, names: Iterable[str], *, on: bool) -> None:
        """Switch machines on or off (as by the plug); the disk is kept, nothing else is."""
        machines = [self.machine(name) for name in names]
        if on:
            self._boot([machine for machine in machines if not machine.running()], lambda _name, _part: None)
            return
        for machine in machines:
            if machine.name == self.topology.switch.name:
                raise BadInput("the switch has no power button", "sekisho lab down")
            cards = plan.cards(self.topology, machine.name)
            netns.batch((f"link set {card} down" for card in cards), namespace=machine.namespace)
            machine.kill()
            self._forget_network(machine, cards)

    def _forget_network(self, machine: Machine, cards: list[str]) -> None:
        """Give a machine that is off a fresh namespace: addresses, rules and settings of the old one are gone."""
        spare = f"{machine.namespace}-off"
        netns.add([spare])
        cables.move(cards, machine.namespace, spare)
        netns.delete([machine.namespace])
        netns.add([machine.namespace])
        cables.move(cards, spare, machine.namespace)
        netns.delete([spare])
        netns.inside(machine.namespace, lambda: netns.offloads_off(cards))

    def switch(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the port agent.

        Raises:
            SekishoError: it does not answer, or refuses.
        """
        leader = self.machine(self.topology.switch.name).leader()
        path = f"/proc/{leader}/root/run/port-agent/control.sock"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(10.0)
                connection.connect(path)
                connection.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(connection.makefile().readline() or "{}")
        except (OSError, ValueError) as error:
            raise SekishoError(
                f"the switch of lab {self.name!r} does not answer ({error})",
                f"sekisho lab exec {self.topology.switch.name} -- journalctl -u port-agent",
            ) from error
        if "error" in answer or not answer:
            raise SekishoError(f"the switch refused: {answer.get('error', 'no answer')}")
        return dict(answer)

    def status(self) -> dict[str, Any]:
        """Machines and ports as they are now, for people and programs."""
        ports: dict[str, Any] = {}
        told = ""
        try:
            ports = self.switch({"status": True})["ports"]
        except SekishoError as error:
            told = error.what
        machines = [
            {"name": machine.name, "kind": plan.kind(self.topology, machine.name), "running": machine.running()}
            for machine in self.machines()
        ]
        return {
            "lab": self.name,
            "state": str(self.state),
            "complete": self.entry.complete,
            "machines": machines,
            "ports": ports,
            "switch": told or "answers",
        }

    def command(self, name: str, words: list[str]) -> list[str]:
        """The argv that runs `words` on a machine, or in control's namespace with the host's files."""
        if name == plan.CONTROL:
            return ["nsenter", f"--net={netns.path(netns.name(self.name, name))}", "--", *words]
        return self.machine(name).command(words)


def find(name: str) -> Lab:
    """The lab that is up under this name.

    Raises:
        BadInput: there is none.
    """
    _require_root()
    entry = journal.read(_checked(name))
    if entry is None:
        others = ", ".join(journal.labs()) or "none"
        raise BadInput(f"no lab {name!r} is up on this machine (up: {others})", "sekisho lab up")
    return Lab(name, entry)


def up(name: str, state: Path, topology: Path, spares: int, report: Report) -> Lab:
    """Make a lab and boot it. What a crashed `up` left is removed first.

    Raises:
        BadInput: it is up already, or the topology has a fault.
        Missing: no root, or a program is not installed.
    """
    _require_root()
    _require_programs()
    plan_of = read_topology(topology).with_spares(spares)
    with journal.locked(_checked(name)):
        before = journal.read(name)
        if before is not None and before.complete:
            raise BadInput(
                f"lab {name!r} is up already (state {before.state})", "sekisho lab status, or lab down first"
            )
        cgroup.hierarchies()
        _remove(name, before)
        try:
            root = bases.ensure(report)
        except BaseException:
            journal.forget(name)
            raise
        entry = journal.Entry(str(state.resolve()), str(topology.resolve()), str(root), spares)
        journal.write(name, entry)
        lab = Lab(name, entry)
        assert lab.topology == plan_of  # noqa: S101 - read twice, from the same file
        try:
            lab.make(report)
        except Exception:
            _remove(name, entry)
            journal.forget(name)
            raise
        lab.entry = replace(entry, complete=True)
        journal.write(name, lab.entry)
        return lab


def down(name: str) -> bool:
    """Remove everything that `up` made, also of one that crashed. Returns whether there was anything.

    Keys and secrets in the state folder stay: they are the state's, and the next `up` uses them.
    """
    _require_root()
    with journal.locked(_checked(name)):
        entry = journal.read(name)
        there = bool(entry or netns.of_lab(name) or cgroup.pids(name))
        _remove(name, entry)
        journal.forget(name)
    return there


def _remove(name: str, entry: journal.Entry | None) -> None:
    cgroup.kill(name)
    cgroup.remove(name)
    netns.delete(netns.of_lab(name))
    for left in Path("/run/systemd/nspawn/propagate").glob(f"sk-{name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    if entry is not None:
        shutil.rmtree(Path(entry.state) / "lab" / name, ignore_errors=True)


def _checked(name: str) -> str:
    # No dash: the names of lab `a` must never begin like those of lab `a-b`.
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
        raise BadInput(f"{name!r} cannot be a lab's name", "up to 16 lower-case letters and digits, a letter first")
    return name


def _require_root() -> None:
    if os.geteuid() != 0:
        raise Missing("the lab boots machines and needs root", "run it as root, for example with sudo")


def _require_programs() -> None:
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if missing:
        raise Missing(
            f"not installed on this machine: {', '.join(sorted(missing))}",
            f"apt-get install {' '.join(sorted(missing))}",
        )
