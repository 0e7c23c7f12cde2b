"""A lab that is up: its machines, its ports, and what can be done to them."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from sekisho.core.errors import BadInput, SekishoError
from sekisho.lab import cables, journal, keys, netns, plan
from sekisho.lab.machine import Machine
from sekisho.lab.switch.install import install
from sekisho.lab.topology import Machine as Planned
from sekisho.lab.topology import PlugMode, Terminal, Topology

Report = Callable[[str, float], None]
_BOOT_PATIENCE = 60.0  # seconds; a machine needs a third of one when the processor is free


class Lab:
    """A lab that is up, or is being made."""

    def __init__(self, name: str, entry: journal.Entry, topology: Topology) -> None:
        self.name = name
        self.entry = entry
        self.state = Path(entry.state)
        self.topology = topology

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
            for path, text in plan.network_files(self.topology, machine.name).items():
                machine.put(path, text)
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
