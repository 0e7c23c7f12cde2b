"""`inventory/hosts.yml`: servers and network devices, by name."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, Self

from pydantic import model_validator

from sekisho.core import folders
from sekisho.core.errors import BadInput, BadValue
from sekisho.core.language import Both
from sekisho.core.yamlfile import Strict, load
from sekisho.policy.tiers import Tiers

Role = Literal[
    "control", "core_router", "access_switch", "radius", "business_system", "collector", "elasticsearch", "outside_web"
]

_SERVE_BOTH: tuple[Role, ...] = ("core_router", "access_switch", "radius", "control")  # by their office
_MET_INTERNET = {"internet", "probation", "quarantine"}


class Host(Strict):
    """One server or device. `same_as` names the host whose second address this is."""

    segment: str
    address: IPv4Address
    role: Role
    same_as: str | None = None


class Hosts(Strict):
    """The whole file."""

    version: Literal[1]
    hosts: dict[str, Host]

    @model_validator(mode="after")
    def _known(self) -> Self:
        addresses = [host.address for host in self.hosts.values()]
        if len(set(addresses)) != len(addresses):
            raise BadValue("同じアドレスの機器が二つある", "two hosts have the same address")
        for name, host in self.hosts.items():
            if host.same_as is not None and host.same_as not in self.hosts:
                raise BadValue(
                    f"{name}: same_as の {host.same_as!r} がこのファイルにない",
                    f"{name}: same_as names {host.same_as!r}, which is not here",
                )
        return self

    def of_role(self, role: Role) -> list[str]:
        """Names of the machines that have this role."""
        return [name for name, host in self.hosts.items() if host.role == role and host.same_as is None]

    def one(self, role: Role) -> Host:
        """The only machine of a role.

        Raises:
            BadInput: there is none, or more than one.
        """
        names = self.of_role(role)
        if len(names) != 1:
            raise BadInput(
                Both(
                    f"inventory/hosts.yml: 役割 {role} の機器が{len(names)}台ある(1台でなければならない)",
                    f"inventory/hosts.yml: {len(names)} hosts have the role {role}, expected one",
                )
            )
        return self.hosts[names[0]]


def read(tiers: Tiers) -> Hosts:
    """The hosts, each inside its segment's network, and every flow of `tiers` naming something that exists.

    Raises:
        BadInput: a host lies outside its segment, or a flow names nothing known, or joins what must never be joined,
            or a host that both tiers have to do with is not under `shared` as the flows have it.
    """
    path = folders.inventory() / "hosts.yml"
    hosts = load(path, Hosts)
    for name, host in hosts.hosts.items():
        if host.segment not in tiers.segments:
            known = ", ".join(tiers.segments)
            raise BadInput(
                Both(
                    f"{path}: {name}: {host.segment!r} というセグメントはない",
                    f"{path}: {name}: {host.segment!r} is no segment",
                ),
                Both(f"次のいずれかを書く: {known}", f"expected: {known}"),
            )
        if host.address not in tiers.segments[host.segment].network:
            raise BadInput(
                Both(
                    f"{path}: {name}: {host.address} は {host.segment} の範囲にない",
                    f"{path}: {name}: {host.address} is not in {host.segment}",
                ),
                Both("アドレスを直す", "mend the address"),
            )
    _check_flows(tiers, hosts)
    _check_shared(tiers, hosts)
    return hosts


def networks_of(name: str, tiers: Tiers, hosts: Hosts) -> IPv4Network:
    """The addresses that a flow's `from` or `to` means: a host's one address, or a tier's or segment's network."""
    if name in hosts.hosts:
        return IPv4Network(hosts.hosts[name].address)
    return tiers.networks[name].network


def home_of(name: str, hosts: Hosts) -> str:
    """The tier or segment that `name` lies in, or is."""
    return hosts.hosts[name].segment if name in hosts.hosts else name


def _check_flows(tiers: Tiers, hosts: Hosts) -> None:
    known = set(tiers.networks) | set(hosts.hosts)
    named = [(flow.why, (*flow.from_, *flow.to)) for flow in tiers.flows]
    named += [(shared.why, (*shared.others, shared.host)) for shared in tiers.shared]
    for why, names in named:
        if unknown := [name for name in names if name not in known]:
            raise BadInput(
                Both(
                    f"policies/tiers.yml: 通信「{why}」: {unknown[0]!r} という系・セグメント・機器はない",
                    f"policies/tiers.yml: the flow {why!r}: {unknown[0]!r} is no tier, segment or host",
                ),
                Both(f"次のいずれかを書く: {', '.join(sorted(known))}", f"expected one of: {', '.join(sorted(known))}"),
            )
    for flow in tiers.flows:
        for source in flow.from_:
            for target in flow.to:
                if source in hosts.hosts and hosts.hosts[source].role == "control":
                    continue  # control opens connections to both tiers and takes none
                one, other = home_of(source, hosts), home_of(target, hosts)
                if any(one in never.from_ and other in never.to for never in tiers.never):
                    raise BadInput(
                        Both(
                            f"policies/tiers.yml: 通信 {source} → {target}({flow.why})が {one} を {other} につなぐ",
                            f"policies/tiers.yml: the flow {source} → {target} ({flow.why}) joins {one} to {other}",
                        ),
                        Both(
                            "`never` が禁じている。この通信を除くか、情報セキュリティ責任者が `never` を改める",
                            "`never` forbids it; remove the flow, or have the security officer change `never`",
                        ),
                    )


def _check_shared(tiers: Tiers, hosts: Hosts) -> None:
    listed = {entry.host for entry in tiers.shared}
    for name, host in hosts.hosts.items():
        if host.same_as is not None:
            continue
        flows = set(_ends(name, tiers, hosts))
        met = {tier for _, tier, _ in flows}
        if name not in listed and (host.role in _SERVE_BOTH or ("lgwan" in met and met & _MET_INTERNET)):
            raise BadInput(
                Both(
                    f"policies/tiers.yml: {name} は両方の系と通信するのに `shared` にない",
                    f"policies/tiers.yml: {name} is not under `shared`, and both tiers have to do with it",
                ),
                Both(
                    "方向・ポート・系の橋渡しにならない理由を書いて加えるか、その通信を除く",
                    "list it with direction, ports and why it is no bridge, or remove the flow",
                ),
            )
        if name not in listed or host.role == "core_router":  # what is listed of the router is what it takes
            continue
        said = {
            (word, other, port)
            for entry in tiers.shared
            if entry.host == name
            for word, others in (("from", entry.from_), ("to", entry.to))
            for other in others
            if other in tiers.tiers
            for port in entry.ports
        }
        for word, tier, port in sorted(said ^ flows):
            where = (
                Both("`shared` にあるが、`flows` にない", "under `shared`, but in no flow")
                if (word, tier, port) in said
                else Both("`flows` にあるが、`shared` にない", "in a flow, but not under `shared`")
            )
            raise BadInput(
                Both(
                    f"policies/tiers.yml: {name}: {word} {tier}({port})が{where.ja}",
                    f"policies/tiers.yml: {name}: {word} {tier} on {port} is {where.en}",
                ),
                Both("両方を一致させる", "make them say the same"),
            )


def _ends(name: str, tiers: Tiers, hosts: Hosts) -> Iterator[tuple[str, str, str]]:
    """What the flows let a host do with tiers: who opens (`from` them or `to` them), the tier, the port."""
    own = {name, hosts.hosts[name].segment} | {other for other, host in hosts.hosts.items() if host.same_as == name}
    for flow in tiers.flows:
        for source in flow.from_:
            for target in flow.to:
                for port in flow.ports:
                    if target in own and source in tiers.tiers:
                        yield "from", source, port
                    if source in own and target in tiers.tiers:
                        yield "to", target, port
