"""The flow policy compiled to the core router's nftables ruleset. What the policy doesn't name is dropped.

Source addresses are held against the interface first, before connection tracking: an address of one tier that is used
from another VLAN passes nothing, not even for a connection that was once allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from sekisho.fleet.hosts import Hosts, home_of, networks_of
from sekisho.policy.tiers import Tiers

_HEAD = """table inet sekisho
delete table inet sekisho
table inet sekisho {"""


def compile_ruleset(tiers: Tiers, hosts: Hosts) -> str:
    """The ruleset as text for `nft -f`; loading it replaces the one before in one transaction."""
    chains = (
        ("origin", "prerouting", "raw", _origin(tiers, hosts)),
        ("forward", "forward", "filter", _forward(tiers, hosts)),
        ("input", "input", "filter", _input(tiers, hosts)),
    )
    lines = [_HEAD]
    for name, hook, priority, rules in chains:
        lines += [f"  chain {name} {{", f"    type filter hook {hook} priority {priority}; policy drop;"]
        lines += [f"    {rule}" for rule in rules]
        lines += [f'    limit rate 10/second log prefix "sekisho {name} "', "  }"]
    return "\n".join([*lines, "}", ""])


def _origin(tiers: Tiers, hosts: Hosts) -> Iterator[str]:
    yield 'iifname "lo" accept'
    for name, network in tiers.networks.items():
        yield f'iifname "{tiers.interface(name)}" ip saddr {network.network} accept'
    for source, port in _to_router(tiers, hosts):
        if port == "udp/67":  # a terminal that asks for its first address has none yet
            yield f'iifname "{tiers.interface(source)}" ip saddr 0.0.0.0/32 udp dport 67 accept'


def _forward(tiers: Tiers, hosts: Hosts) -> Iterator[str]:
    routers = hosts.of_role("core_router")
    yield "ct state established,related accept"
    for flow in tiers.flows:
        for source in flow.from_:
            for target in flow.to:
                one, other = home_of(source, hosts), home_of(target, hosts)
                if one == other or source in routers:
                    continue  # the same VLAN, or the router itself: nothing is forwarded
                for port in flow.ports:
                    protocol, number = port.split("/")
                    yield (
                        f'iifname "{tiers.interface(one)}" oifname "{tiers.interface(other)}"'
                        f" ip saddr {networks_of(source, tiers, hosts)} ip daddr {networks_of(target, tiers, hosts)}"
                        f" {protocol} dport {number} ct state new accept"
                    )


def _input(tiers: Tiers, hosts: Hosts) -> Iterator[str]:
    yield 'iifname "lo" accept'
    yield "ct state established,related accept"
    control, core = hosts.one("control"), hosts.one("core_router")
    yield (
        f'iifname "{tiers.interface(control.segment)}" ip saddr {control.address}/32 ip daddr {core.address}/32'
        " tcp dport 22 ct state new accept"
    )
    for source, port in _to_router(tiers, hosts):
        protocol, number = port.split("/")
        yield f'iifname "{tiers.interface(source)}" {protocol} dport {number} accept'


def _to_router(tiers: Tiers, hosts: Hosts) -> Iterator[tuple[str, str]]:
    routers = set(hosts.of_role("core_router"))
    for shared in tiers.shared:
        if shared.host in routers:
            yield from ((home_of(source, hosts), port) for source in shared.from_ for port in shared.ports)
