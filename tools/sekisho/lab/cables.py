"""Cables: veth pairs made straight from one namespace into another, so that the host's own never sees an end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sekisho.lab import netns


@dataclass(frozen=True)
class End:
    """One end of a cable: a network card in a namespace. `mac` is chosen by the kernel when it is empty."""

    namespace: str
    interface: str
    mac: str = ""
    up: bool = True  # a machine's own system brings its card up; a switch's port is up from the start


@dataclass(frozen=True)
class Cable:
    """A machine's card and the switch's port."""

    card: End
    port: End


def lay(cables: Iterable[Cable]) -> None:
    """Make the cables, with offloads off at both ends.

    Raises:
        SekishoError: a name is taken, or a namespace is not there.
    """
    cables = list(cables)
    netns.batch(f"link add {_end(cable.card)} type veth peer {_end(cable.port)}" for cable in cables)
    ends: defaultdict[str, list[End]] = defaultdict(list)
    for cable in cables:
        for end in (cable.card, cable.port):
            ends[end.namespace].append(end)
    for namespace, here in ends.items():
        names = [end.interface for end in here]
        netns.inside(namespace, lambda names=names: netns.offloads_off(names))  # type: ignore[misc]
        netns.batch((f"link set {end.interface} up" for end in here if end.up), namespace=namespace)


def _end(end: End) -> str:
    return f"name {end.interface} {f'address {end.mac} ' if end.mac else ''}netns {end.namespace}"


def move(interfaces: Iterable[str], old: str, new: str) -> None:
    """Carry cards from a namespace to a fresh one; their other ends notice no more than a loss of carrier."""
    netns.batch((f"link set {interface} netns {new}" for interface in interfaces), namespace=old)
