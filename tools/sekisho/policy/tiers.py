"""`policies/tiers.yml`: networks, flows, shared hosts, and what must never be joined."""

from __future__ import annotations

import re
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sekisho.core import folders
from sekisho.core.errors import BadValue
from sekisho.core.yamlfile import Strict, load

FIRST_TERMINAL = 256  # offsets below it are infrastructure's: the gateway, servers, the kitting bench's own

_PORT = re.compile(r"(tcp|udp)/([1-9][0-9]{0,4})")


def _many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _port(value: object) -> object:
    match = _PORT.fullmatch(value) if isinstance(value, str) else None
    if not match or int(match[2]) > 65535:
        raise BadValue(
            f"tcp/番号 か udp/番号 でなければならない(現在は {value!r})",
            f"expected tcp/NUMBER or udp/NUMBER, not {value!r}",
        )
    return value


def _gateway(value: object) -> object:
    if value == "blackhole":
        return value
    try:
        return IPv4Address(str(value))
    except ValueError as error:
        raise BadValue(
            f"IPv4アドレスか blackhole でなければならない(現在は {value!r})",
            f"expected an IPv4 address or blackhole, not {value!r}",
        ) from error


Names = Annotated[tuple[str, ...], BeforeValidator(_many), Field(min_length=1)]
Port = Annotated[str, BeforeValidator(_port)]


class Label(Strict):
    """A name as officials read it, in both languages."""

    ja: str
    en: str


class Network(Strict):
    """A VLAN with its network; the core router's interface has its first host address."""

    vlan: int = Field(ge=2, le=2999)
    network: IPv4Network
    label: Label
    interface: str = Field(default="", pattern=r"^[a-z][a-z0-9]{0,11}$|^$")

    @property
    def gateway(self) -> IPv4Interface:
        """The core router's address here, with the prefix length."""
        return IPv4Interface(f"{self.network[1]}/{self.network.prefixlen}")


class Flow(Strict):
    """Who may open a connection to whom, on which ports, and why."""

    from_: Names = Field(alias="from")
    to: Names
    ports: tuple[Port, ...] = Field(min_length=1)
    why: str = Field(min_length=1)


class Route(Strict):
    """Where the core router sends what is not directly connected: to a gateway, or nowhere."""

    to: IPv4Network
    via: Annotated[IPv4Address | Literal["blackhole"], BeforeValidator(_gateway)]
    why: str = Field(min_length=1)


class Shared(Strict):
    """A host that both tiers have to do with, and why it is no bridge between them.

    Either others open connections to it on `ports`, or it opens connections to others on theirs.
    """

    host: str
    from_: Annotated[tuple[str, ...], BeforeValidator(_many)] = Field(default=(), alias="from")
    to: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()
    ports: tuple[Port, ...] = Field(min_length=1)
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if bool(self.from_) == bool(self.to):
            raise BadValue(
                f"{self.host}: `from` か `to` のどちらか一方を書く。両方向の機器は二つに分けて書く",
                f"{self.host}: say either `from` or `to`; a host with both directions has two entries",
            )
        return self

    @property
    def others(self) -> tuple[str, ...]:
        """The tiers, segments and hosts on the other end."""
        return self.from_ or self.to


class Never(Strict):
    """Networks that no flow may join."""

    from_: Names = Field(alias="from")
    to: Names


class Tiers(Strict):
    """The whole file."""

    version: Literal[1]
    tiers: dict[str, Network]
    segments: dict[str, Network]
    routes: tuple[Route, ...] = ()
    shared: tuple[Shared, ...]
    flows: tuple[Flow, ...]
    never: tuple[Never, ...] = Field(min_length=1)

    @cached_property
    def networks(self) -> dict[str, Network]:
        """Tiers and segments together, by name."""
        return {**self.tiers, **self.segments}

    def interface(self, name: str) -> str:
        """The core router's interface in the network `name`."""
        return self.networks[name].interface or name

    def tier_of(self, address: IPv4Address) -> str | None:
        """The tier or segment whose network holds `address`."""
        return next((name for name, network in self.networks.items() if address in network.network), None)

    def tier_of_vlan(self, vlan: int) -> str | None:
        """The tier or segment that has this VLAN."""
        return next((name for name, network in self.networks.items() if network.vlan == vlan), None)

    def address(self, tier: str, number: int) -> IPv4Address:
        """A terminal's address in `tier`: the same host part everywhere, so that it can be found."""
        return self.tiers[tier].network[FIRST_TERMINAL + number]

    @model_validator(mode="after")
    def _networks_are_apart(self) -> Self:
        needed = {"lgwan", "internet", "probation", "quarantine", "mynumber", "devices", "kitting"} - set(self.tiers)
        if needed:
            names = ", ".join(sorted(needed))
            raise BadValue(f"tiers: {names} がない", f"tiers: {names} missing")
        if twice := set(self.tiers) & set(self.segments):
            names = ", ".join(sorted(twice))
            raise BadValue(f"{names}: tiers と segments の両方にある", f"{names}: both a tier and a segment")
        items = list(self.networks.items())
        for index, (name, one) in enumerate(items):
            for other_name, other in items[index + 1 :]:
                if one.vlan == other.vlan:
                    raise BadValue(
                        f"{name} と {other_name} のVLAN {one.vlan} が同じ",
                        f"{name} and {other_name} have the same VLAN {one.vlan}",
                    )
                if one.network.overlaps(other.network):
                    raise BadValue(
                        f"{name} と {other_name} のネットワークが重なる: {one.network}, {other.network}",
                        f"{name} and {other_name} overlap: {one.network}, {other.network}",
                    )
                if self.interface(name) == self.interface(other_name):
                    raise BadValue(
                        f"{name} と {other_name} の中継ルータのインタフェースが同じ",
                        f"{name} and {other_name} have the same router interface",
                    )
        return self

    @model_validator(mode="after")
    def _never_is_known(self) -> Self:
        for never in self.never:
            for name in (*never.from_, *never.to):
                if name not in self.networks:
                    raise BadValue(
                        f"never: {name!r} という系もセグメントもない", f"never: {name!r} is no tier and no segment"
                    )
        return self


def read() -> Tiers:
    """The policy in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "tiers.yml", Tiers)
