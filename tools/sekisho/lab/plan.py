"""What a topology means in namespaces, cables and files: nothing is made here."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface

from sekisho.lab import netns
from sekisho.lab.cables import Cable, End
from sekisho.lab.topology import Machine, Terminal, Topology, port_name

CONTROL = "control"
CARD = "eth0"  # a terminal's card


def machine_names(topology: Topology) -> list[str]:
    """Every machine, the switch first; control is a namespace and no machine."""
    fixed = [machine.name for machine in topology.machines]
    return [topology.switch.name, *fixed, *(terminal.name for terminal in topology.terminals)]


def kind(topology: Topology, name: str) -> str:
    """What a machine is: switch, terminal or server."""
    if name == topology.switch.name:
        return "switch"
    return "terminal" if any(terminal.name == name for terminal in topology.terminals) else "server"


def cables(lab: str, topology: Topology) -> Iterator[Cable]:
    """Every cable: cards on one side, the switch's ports on the other."""
    switch = netns.name(lab, topology.switch.name)
    yield Cable(End(switch, "mgmt0"), End(switch, "sw-mgmt"))
    yield Cable(End(netns.name(lab, CONTROL), CARD), End(switch, CONTROL))
    for network in topology.networks.values():
        if network.terminals:  # hostapd wants an interface for each VLAN that RADIUS may answer with
            yield Cable(End(switch, f"v{network.vlan}"), End(switch, f"v{network.vlan}-idle"))
    for machine in topology.machines:
        for nic in machine.nics:
            card = End(netns.name(lab, machine.name), nic.name, up=False)
            yield Cable(card, End(switch, port_name(machine, nic)))
    for terminal in topology.terminals:
        card = End(netns.name(lab, terminal.name), CARD, terminal.mac, up=False)
        yield Cable(card, End(switch, terminal.name, up=False))


def cards(topology: Topology, name: str) -> list[str]:
    """The network cards of a machine that has ports of its own."""
    for machine in topology.machines:
        if machine.name == name:
            return [nic.name for nic in machine.nics]
    return [CARD]


def network_files(topology: Topology, name: str) -> dict[str, str]:
    """The network settings that the installer left on a machine, by file: 10-installer.network, and further cards'."""
    files: dict[str, str] = {}
    for card, address, gateway in _configured(topology, name):
        file = f"10-installer-{card}.network" if files else "10-installer.network"
        via = f"Gateway={gateway}\n" if gateway else ""
        text = f"[Match]\nName={card}\n\n[Network]\nAddress={address}\n{via}IPv6AcceptRA=no\n"
        files[f"etc/systemd/network/{file}"] = text
    return files


def _configured(topology: Topology, name: str) -> Iterator[tuple[str, IPv4Interface, IPv4Address | None]]:
    networks = topology.networks
    if name == topology.switch.name:
        switch = topology.switch
        yield "mgmt0", topology.interface(switch.network, switch.address), networks[switch.network].gateway
    for machine in topology.machines:
        for nic in machine.nics if machine.name == name else ():
            if nic.address:
                gateway = networks[nic.network].gateway if nic.gateway else None
                yield nic.name, topology.interface(nic.network, nic.address), gateway
    for terminal in topology.terminals:
        if terminal.name == name:
            bench = topology.switch.bench
            address = topology.interface(bench, topology.terminal_address(bench, terminal.number))
            yield CARD, address, networks[bench].gateway


def addresses(topology: Topology, machine: Machine | Terminal) -> list[str]:
    """Every address at which a machine can answer, for its ssh host key."""
    if isinstance(machine, Terminal):
        networks = [name for name, network in topology.networks.items() if network.terminals]
        return [str(topology.terminal_address(name, machine.number)) for name in networks]
    own = {str(nic.address or topology.networks[nic.network].gateway): None for nic in machine.nics}
    return list(own)
