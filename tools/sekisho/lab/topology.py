"""The lab's plan, `lab.yml`: networks, machines, terminals and the switch that they are plugged into."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from sekisho.core.yamlfile import Strict, load

PlugMode = Literal["bench", "desk", "out"]

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def _check_mac(text: str) -> str:
    if not _MAC.fullmatch(text):
        raise ValueError("a MAC address is six lower-case hex octets with colons, such as 02:5e:00:00:00:01")
    if int(text[:2], 16) & 1:
        raise ValueError("a terminal's MAC address cannot be a group address (first octet is odd)")
    return text


Mac = Annotated[str, AfterValidator(_check_mac)]
# 15 characters is what Linux allows for an interface's name, and a terminal's port is named after it.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,14}$")]
Vlan = Annotated[int, Field(ge=2, le=2999)]  # 3000 and above are the dead VLANs of closed ports


class Network(Strict):
    """A VLAN and its IPv4 network; its gateway is the first host."""

    vlan: Vlan
    cidr: IPv4Network
    terminals: bool = False  # a terminal can be in it, so its address there belongs to the terminal's ssh host key

    @property
    def gateway(self) -> IPv4Address:
        """The core router's address in this network."""
        return self.cidr[1]


class Nic(Strict):
    """A network card. Without an address the installer left it unconfigured."""

    name: Name
    network: str
    address: IPv4Address | None = None
    gateway: bool = False


class Machine(Strict):
    """A machine with fixed ports: a server or the core router."""

    name: Name
    nics: tuple[Nic, ...] = Field(min_length=1)


class Terminal(Strict):
    """A machine on a port of its own, which is plugged to the bench or a desk, or pulled out."""

    name: Name
    mac: Mac
    number: int = Field(ge=1, le=10_000)
    plug: PlugMode = "bench"


class Switch(Strict):
    """The access switch and where it finds RADIUS."""

    name: Name
    network: str
    address: IPv4Address
    radius: IPv4Address
    bench: str  # the network of a port that is plugged to the kitting bench
    reauth_period: int = Field(default=3600, ge=10)  # seconds
    mab_after: float = Field(default=3.0, ge=0.5)  # seconds that a port waits for EAP before it asks by MAC


class Control(Strict):
    """The namespace from which the prefecture is run."""

    network: str
    address: IPv4Address


class Spare(Strict):
    """How further staff terminals are named: `sekisho lab up --terminals N`."""

    first: int = Field(ge=1)  # pc-<first> onwards
    mac_prefix: str = Field(pattern=r"^([0-9a-f]{2}:){4}$")


class Topology(Strict):
    """The whole plan."""

    networks: dict[str, Network]
    switch: Switch
    control: Control
    machines: tuple[Machine, ...]
    terminals: tuple[Terminal, ...]
    spare: Spare

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        names = [self.switch.name, "control", *(m.name for m in self.machines), *(t.name for t in self.terminals)]
        _unique("machine", names)
        _unique("VLAN", [network.vlan for network in self.networks.values()])
        _unique("terminal MAC", [terminal.mac for terminal in self.terminals])
        _unique("terminal number", [terminal.number for terminal in self.terminals])
        self._known(self.switch.network, f"switch {self.switch.name}")
        self._known(self.switch.bench, f"switch {self.switch.name}")
        self._known(self.control.network, "control")
        ports = [terminal.name for terminal in self.terminals]
        highest = max((terminal.number for terminal in self.terminals), default=0)
        for name, network in self.networks.items():
            if network.terminals and 256 + highest >= network.cidr.num_addresses - 1:
                raise ValueError(f"network {name} ({network.cidr}) has no address for terminal number {highest}")
        for machine in self.machines:
            for nic in machine.nics:
                self._known(nic.network, f"{machine.name}'s {nic.name}")
                inside = self.networks[nic.network].cidr
                if nic.address and nic.address not in inside:
                    raise ValueError(f"{machine.name}'s {nic.name}: {nic.address} is not in {nic.network} ({inside})")
                ports.append(port_name(machine, nic))
        _unique("switch port", ports)
        return self

    def _known(self, network: str, who: str) -> None:
        if network not in self.networks:
            raise ValueError(f"{who}: unknown network {network!r}; known are {', '.join(self.networks)}")

    def interface(self, network: str, address: IPv4Address) -> IPv4Interface:
        """`address` with the prefix length of its network."""
        return IPv4Interface(f"{address}/{self.networks[network].cidr.prefixlen}")

    def terminal_address(self, network: str, number: int) -> IPv4Address:
        """A terminal's address in `network`: the network's base plus 256 plus its number."""
        return self.networks[network].cidr[256 + number]

    def with_spares(self, count: int) -> Topology:
        """The same plan with `count` generated staff terminals more; numbers go on after the highest."""
        highest = max((terminal.number for terminal in self.terminals), default=0)
        more = tuple(
            Terminal(
                name=f"pc-{self.spare.first + index:04d}",
                mac=f"{self.spare.mac_prefix}{(index + 1) >> 8:02x}:{(index + 1) & 255:02x}",
                number=highest + 1 + index,
            )
            for index in range(count)
        )
        return Topology.model_validate({**dict(self), "terminals": (*self.terminals, *more)})


def port_name(machine: Machine, nic: Nic) -> str:
    """The switch's port of a fixed machine's card: at most 15 characters, as Linux wants."""
    return machine.name if len(machine.nics) == 1 else f"{machine.name}-{nic.name}"


def read(path: Path) -> Topology:
    """Read a plan.

    Raises:
        Missing: the file is not there.
        BadInput: it does not fit; every fault is named with its line.
    """
    return load(path, Topology)


def _unique(what: str, values: list[str] | list[int]) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})  # type: ignore[arg-type]
    if twice:
        raise ValueError(f"{what} given twice: {', '.join(twice)}")
