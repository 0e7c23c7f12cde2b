"""Proof that a ruleset permits nothing wider than the policy: its text is parsed back, by rules of its own.

A line that isn't understood is refused: what nobody can read, nobody has proved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from sekisho.core.errors import Refused
from sekisho.core.language import Both
from sekisho.fleet.hosts import Hosts, home_of, networks_of
from sekisho.policy.tiers import Tiers

_ANY = IPv4Network("0.0.0.0/0")
_CHAIN = re.compile(r"chain (\w+) \{")
_HOOK = re.compile(r"type filter hook (\w+) priority (-?\w+); policy (\w+);")
_RULE = re.compile(
    r'(?:iifname "(?P<iif>\w+)" ?)?(?:oifname "(?P<oif>\w+)" ?)?(?:ip saddr (?P<source>[\d./]+) ?)?'
    r"(?:ip daddr (?P<target>[\d./]+) ?)?(?:(?P<protocol>tcp|udp) dport (?P<number>\d+) ?)?"
    r"(?:ct state (?P<state>new|established,related) ?)?accept"
)
_LOG = re.compile(r'limit rate 10/second log prefix "sekisho \w+ "')
_HOOKS = {"origin": ("prerouting", "raw"), "forward": ("forward", "filter"), "input": ("input", "filter")}
_AGAIN = Both("もう一度変換する", "compile it again")
_FRAME = ("table inet sekisho", "delete table inet sekisho", "table inet sekisho {")


@dataclass(frozen=True)
class Permit:
    """What one rule lets through; an empty interface or port means any."""

    iif: str
    oif: str
    source: IPv4Network
    target: IPv4Network
    port: str
    replies: bool = False

    def within(self, other: Permit) -> bool:
        """Whether `other` lets through all that this does."""
        return (
            other.iif in ("", self.iif)
            and other.oif in ("", self.oif)
            and self.source.subnet_of(other.source)
            and self.target.subnet_of(other.target)
            and other.port in ("", self.port)
            and self.replies == other.replies
        )


def parse(text: str) -> dict[str, list[Permit]]:
    """What each chain permits.

    Raises:
        Refused: a line is not understood, or a chain lacks its hook or does not drop by default.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if tuple(lines[:3]) != _FRAME or lines[-1:] != ["}"]:
        raise Refused(
            Both(
                "規則が、前のものを置き換える一つのテーブル `inet sekisho` になっていない",
                "the ruleset isn't one table `inet sekisho` that replaces the one before",
            ),
            _AGAIN,
        )
    permits: dict[str, list[Permit]] = {}
    hooked: set[str] = set()
    chain = ""
    for line in lines[3:-1]:
        if not chain and (found := _CHAIN.fullmatch(line)) and found[1] not in permits:
            chain = found[1]
            permits[chain] = []
        elif chain and line == "}":
            chain = ""
        elif chain and (found := _HOOK.fullmatch(line)):
            if _HOOKS.get(chain) != (found[1], found[2]) or found[3] != "drop" or chain in hooked:
                raise Refused(
                    Both(
                        f"規則のチェーン {chain} が、遮断すべき場所に掛かっていない: {line}",
                        f"the ruleset's chain {chain} is not hooked where it must drop: {line}",
                    )
                )
            hooked.add(chain)
        elif chain and (found := _RULE.fullmatch(line)):
            permits[chain].append(_permit(found))
        elif not (chain and _LOG.fullmatch(line)):
            raise Refused(_unproved(line), _AGAIN)
    if chain or hooked != set(_HOOKS) or set(permits) != set(_HOOKS):
        raise Refused(
            Both(
                "規則に origin・forward・input のチェーンがそろっていない",
                "the ruleset lacks one of its chains: origin, forward, input",
            ),
            _AGAIN,
        )
    return permits


def prove(text: str, tiers: Tiers, hosts: Hosts) -> None:
    """Hold what `text` permits against the policy.

    Raises:
        Refused: it permits something that the policy doesn't, or joins what must never be joined.
    """
    permits = parse(text)
    allowed = {
        "origin": list(_origins(tiers, hosts)),
        "forward": [Permit("", "", _ANY, _ANY, "", replies=True), *_flows(tiers, hosts)],
        "input": list(_inputs(tiers, hosts)),
    }
    for chain, found in permits.items():
        for one in found:
            if not any(one.within(other) for other in allowed[chain]):
                raise Refused(
                    Both(
                        f"規則のチェーン {chain} が方針より広く許している: {one}",
                        f"the ruleset's chain {chain} permits more than the policy: {one}",
                    ),
                    Both("変換のプログラムを直す", "mend the compiler"),
                )
    control = IPv4Network(hosts.one("control").address)
    names = {tiers.interface(name): name for name in tiers.networks}
    for one in permits["forward"]:
        joined = (names.get(one.iif), names.get(one.oif))
        forbidden = any(joined[0] in never.from_ and joined[1] in never.to for never in tiers.never)
        if forbidden and not one.source.subnet_of(control):
            raise Refused(
                Both(
                    f"規則が {joined[0]} を {joined[1]} につなぐ。`never` が禁じている",
                    f"the ruleset joins {joined[0]} to {joined[1]}, which `never` forbids",
                ),
                Both("方針を直す", "mend the policy"),
            )


def _permit(found: re.Match[str]) -> Permit:
    port = f"{found['protocol']}/{found['number']}" if found["protocol"] else ""
    try:
        source, target = (IPv4Network(found[name] or _ANY) for name in ("source", "target"))
    except ValueError as error:
        raise Refused(_unproved(f"{found[0]} ({error})")) from error
    return Permit(
        found["iif"] or "", found["oif"] or "", source, target, port, replies=found["state"] == "established,related"
    )


def _unproved(line: str) -> Both:
    return Both(f"規則に証明できない行がある: {line}", f"the ruleset has a line that cannot be proved: {line}")


def _flows(tiers: Tiers, hosts: Hosts) -> Iterator[Permit]:
    routers = hosts.of_role("core_router")  # what it sends itself is never forwarded
    for flow in tiers.flows:
        for source in (one for one in flow.from_ if one not in routers):
            for target in flow.to:
                iif, oif = (tiers.interface(home_of(name, hosts)) for name in (source, target))
                if iif != oif:
                    one, other = (networks_of(name, tiers, hosts) for name in (source, target))
                    yield from (Permit(iif, oif, one, other, port) for port in flow.ports)


def _shared(tiers: Tiers, hosts: Hosts) -> Iterator[tuple[str, str]]:
    for shared in tiers.shared:
        if hosts.hosts[shared.host].role == "core_router":
            yield from ((tiers.interface(home_of(name, hosts)), port) for name in shared.from_ for port in shared.ports)


def _origins(tiers: Tiers, hosts: Hosts) -> Iterator[Permit]:
    yield Permit("lo", "", _ANY, _ANY, "")
    for name, network in tiers.networks.items():
        yield Permit(tiers.interface(name), "", network.network, _ANY, "")
    for interface, port in _shared(tiers, hosts):
        if port == "udp/67":
            yield Permit(interface, "", IPv4Network("0.0.0.0/32"), _ANY, port)


def _inputs(tiers: Tiers, hosts: Hosts) -> Iterator[Permit]:
    control, core = hosts.one("control"), hosts.one("core_router")
    yield Permit("lo", "", _ANY, _ANY, "")
    yield Permit("", "", _ANY, _ANY, "", replies=True)
    ends = IPv4Network(control.address), IPv4Network(core.address)
    yield Permit(tiers.interface(control.segment), "", *ends, "tcp/22")
    yield from (Permit(interface, "", _ANY, _ANY, port) for interface, port in _shared(tiers, hosts))
