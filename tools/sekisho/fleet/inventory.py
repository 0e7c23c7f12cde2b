"""Ansible's view of the ledger: a dynamic inventory, so that plain `ansible-playbook` finds every terminal.

Groups: `machines` (all that Ansible logs in to) holds `terminals` and `infrastructure`; a terminal is also in
`tier_T`, `department_D`, `wave_W` and `kind_K`; a server in its role. `appliances` are devices that nobody logs in to.
"""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from sekisho.core import ssh
from sekisho.fleet import appliances
from sekisho.fleet.hosts import Hosts
from sekisho.fleet.terminal import Terminal
from sekisho.policy.devices import Devices
from sekisho.policy.tiers import FIRST_TERMINAL, Tiers

_UNMANAGED = {"control", "access_switch"}  # control is where Ansible runs; a switch has no shell for it
# The tiers in which a terminal of each kind may ever be given an address.
_STAFF = ("lgwan", "internet", "probation", "quarantine", "kitting")

Json = dict[str, Any]


class Inventory:
    """The inventory of one moment. `day` (Japan time) decides which devices' approvals still hold."""

    def __init__(
        self, terminals: Iterable[Terminal], *, tiers: Tiers, hosts: Hosts, devices: Devices, state: Path, day: date
    ) -> None:
        self._terminals = list(terminals)
        self._tiers = tiers
        self._hosts = hosts
        self._approved = {one.asset for one in appliances.given(devices, self._terminals, day)}
        self._state = state.resolve()
        # Network[n] makes an address object each time; an integer base keeps 6,000 terminals cheap.
        self._base = {name: int(tier.network.network_address) + FIRST_TERMINAL for name, tier in tiers.tiers.items()}

    def all(self) -> Json:
        """What `--list` prints: groups, and every host's variables under `_meta`."""
        groups: dict[str, list[str]] = defaultdict(list)
        variables: dict[str, Json] = {}
        for one in self._terminals:
            variables[one.name] = self._terminal(one)
            groups["appliances" if one.kind in ("printer", "other") else "terminals"].append(one.name)
            groups[f"tier_{one.tier}"].append(one.name)
            groups[f"department_{one.department}"].append(one.name)
            groups[f"kind_{one.kind}"].append(one.name)
            if one.wave:
                groups[f"wave_{one.wave.replace('-', '_')}"].append(one.name)
        for name in self._machines():
            variables[name] = self._host(name)
            role = self._hosts.hosts[name].role
            if role not in _UNMANAGED:
                groups["infrastructure"].append(name)
            # Ansible warns of a group that bears a host's name; where the host is all of it, the host is enough.
            if self._hosts.of_role(role) != [role]:
                groups[role].append(name)
        answer: Json = {name: {"hosts": members} for name, members in sorted(groups.items())}
        for name in ("terminals", "appliances"):  # playbooks name them, whether anything is in them or not
            answer.setdefault(name, {"hosts": []})
        answer["machines"] = {"children": ["infrastructure", "terminals"], "vars": self._login()}
        answer["all"] = {"vars": self._shared()}
        answer["_meta"] = {"hostvars": variables}
        return answer

    def host(self, name: str) -> Json:
        """What `--host NAME` prints; empty for a name that is not here, as Ansible expects."""
        if name in self._machines():
            return self._host(name)
        return next((self._terminal(one) for one in self._terminals if one.name == name), {})

    def _machines(self) -> list[str]:
        return [name for name, host in self._hosts.hosts.items() if host.same_as is None]

    def _address(self, tier: str, number: int) -> str:
        value = self._base[tier] + number
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"

    def _addresses(self, one: Terminal) -> dict[str, str]:
        if one.movable:
            names: tuple[str, ...] = _STAFF
        elif one.asset in self._approved:
            names = ("devices",)
        elif one.kind in ("staff", "mynumber"):
            names = (one.home, "kitting")
        else:
            names = ()  # a device without an approval in force has no address anywhere
        return {name: self._address(name, one.number) for name in names}

    def _terminal(self, one: Terminal) -> Json:
        return {
            "ansible_host": self._address(one.tier, one.number),
            "asset": one.asset,
            "mac": one.mac,
            "number": one.number,
            "kind": one.kind,
            "department": one.department,
            "standing": str(one.standing),
            "wave": one.wave,
            "tier": one.tier,
            "home": one.home,
            "addresses": self._addresses(one),
            "certificate_subject": one.asset,
        }

    def _host(self, name: str) -> Json:
        host = self._hosts.hosts[name]
        found: Json = {"ansible_host": str(host.address), "segment": host.segment, "role": host.role}
        if host.role == "control":
            found |= {"ansible_connection": "local"}
        if host.role == "core_router":
            found["sekisho_dhcp_reservations"] = [
                {"name": one.name, "asset": one.asset, "mac": one.mac, "addresses": addresses}
                for one in self._terminals
                if (addresses := self._addresses(one))
            ]
        return found

    def _login(self) -> Json:
        folder = self._state / "ssh"
        words = [
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            f"UserKnownHostsFile={folder / 'known_hosts'}",
            "-o",
            "GlobalKnownHostsFile=/dev/null",
            "-o",
            "StrictHostKeyChecking=yes",
        ]
        return {
            "ansible_user": ssh.USER,
            "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
            "ansible_ssh_common_args": shlex.join(words),
            "ansible_host_key_checking": True,
            "ansible_control_path_dir": str(ssh.sockets(self._state)),
            "ansible_become": True,
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def _shared(self) -> Json:
        return {
            "sekisho_state": str(self._state),
            "sekisho_command": str(Path(sys.executable).parent / "sekisho"),  # this very one, whatever PATH says
            "sekisho_tiers": {name: self._network(name) for name in self._tiers.tiers},
            "sekisho_segments": {name: self._network(name) for name in self._tiers.segments},
            "sekisho_hosts": self._hosts.model_dump(mode="json", exclude_none=True)["hosts"],
        }

    def _network(self, name: str) -> Json:
        network = self._tiers.networks[name]
        return {
            "vlan": network.vlan,
            "network": str(network.network),
            "netmask": str(network.network.netmask),
            "prefix": network.network.prefixlen,
            "gateway": str(network.gateway.ip),
            "interface": self._tiers.interface(name),
            "label": network.label.model_dump(),
        }
