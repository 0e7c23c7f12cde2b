"""No host that both tiers have to do with passes anything on: each is tried as a relay, and each trial can succeed.

Every test first finds the way closed, and then opens it by a fault in the lab, to see that it would have noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import on_probation
from prefecture import Prefecture
from reaching import Counter, bare, hole, reached, send_as, send_through, settings
from sekisho.fleet import hosts
from sekisho.policy import tiers as policy

TIERS = policy.read()
HOSTS = hosts.read(TIERS)
GYOMU, COLLECTOR, RADIUS, CONTROL, SWITCH, WEB = (
    str(HOSTS.hosts[name].address) for name in ("gyomu", "collector", "radius", "control", "switch", "outside-web")
)


@dataclass(frozen=True)
class Three:
    """A terminal in each tier; names of machines, addresses in the tier that each is in."""

    lgwan: str
    probation: str
    internet: str
    at: dict[str, str]

    @property
    def names(self) -> tuple[str, str, str]:
        return self.lgwan, self.probation, self.internet


@pytest.fixture(scope="module")
def three(prefecture: Prefecture) -> Iterator[Three]:
    """Without their own host rules: what stops them here is the network."""
    lgwan, probation, internet = "PC-0001", "PC-0002", "PC-0003"
    try:
        on_probation.cross(prefecture, [probation, internet])
        on_probation.confirm(prefecture, [internet])
        there = {asset: prefecture.terminal(asset) for asset in (lgwan, probation, internet)}
        at = {one.name: str(TIERS.address(one.tier, one.number)) for one in there.values()}
        names = [there[asset].name for asset in (lgwan, probation, internet)]
        with bare(prefecture, *names):
            yield Three(*names, at)
    finally:
        prefecture.home([probation, internet])


def test_every_shared_host_is_tried_here() -> None:
    assert {entry.host for entry in TIERS.shared} == {"core", "radius", "switch", "collector", "control"}


# The core router


def test_the_router_joins_no_tiers(prefecture: Prefecture, three: Three) -> None:
    others = {f"{address}:22" for address in three.at.values()}
    servers = {f"{GYOMU}:443", f"{GYOMU}:22", f"{WEB}:443", f"{WEB}:22"}
    infrastructure = {f"{CONTROL}:22", f"{RADIUS}:22", f"{SWITCH}:22", f"{COLLECTOR}:22", "10.9.0.1:22"}
    gateways = {f"{TIERS.tiers[tier].gateway.ip}:22" for tier in ("lgwan", "internet", "probation")}
    allowed = {three.lgwan: {f"{GYOMU}:443"}, three.probation: set(), three.internet: {f"{WEB}:443"}}
    for name, may in allowed.items():
        targets = (others | servers | infrastructure | gateways) - {f"{three.at[name]}:22"}
        assert reached(prefecture, name, targets) == may
    with hole(prefecture, f"forward ip saddr {three.at[three.probation]} ip daddr {GYOMU}"):
        assert reached(prefecture, three.probation, {f"{GYOMU}:443"})


def test_an_address_of_another_tier_passes_nothing(prefecture: Prefecture, three: Three) -> None:
    lgwan = str(TIERS.address("lgwan", prefecture.terminal("PC-0003").number))
    with Counter(prefecture, "gyomu", f"ip saddr {lgwan} udp dport 443") as arrived:
        send_as(prefecture, three.internet, lgwan, GYOMU, 443)
        assert arrived.packets == 0
        # Even if a flow let it through: the interface is held against the source before anything else.
        with hole(prefecture, f"forward ip saddr {lgwan}"):
            send_as(prefecture, three.internet, lgwan, GYOMU, 443)
            assert arrived.packets == 0
        loose = {f"conf__{card}__rp_filter": 0 for card in ("all", "internet")}
        with (
            hole(prefecture, f"forward ip saddr {lgwan}", f"origin ip saddr {lgwan}"),
            settings(prefecture, "core", **loose),
        ):
            send_as(prefecture, three.internet, lgwan, GYOMU, 443)
            assert arrived.packets


def test_the_router_answers_for_no_address_of_another_tier(prefecture: Prefecture, three: Three) -> None:
    """Proxy ARP: a terminal that takes another tier for its own network finds nobody there."""
    target = three.at[three.internet]

    def found() -> bool:
        prefecture.do(three.lgwan, f"ip route replace {target}/32 dev eth0; ip neigh flush dev eth0")
        reached(prefecture, three.lgwan, {f"{target}:22"})
        told = prefecture.do(three.lgwan, f"ip neigh show {target} dev eth0")
        prefecture.do(three.lgwan, f"ip route delete {target}/32 dev eth0")
        return "lladdr" in told

    assert not found()
    with settings(prefecture, "core", conf__lgwan__proxy_arp=1):
        assert found()


def test_the_router_sends_no_redirects(prefecture: Prefecture, three: Three) -> None:
    neighbour = str(TIERS.address("lgwan", prefecture.terminal("PC-0005").number))
    gateway = TIERS.tiers["lgwan"].gateway.ip
    with Counter(prefecture, three.lgwan, "icmp type redirect") as redirects:
        prefecture.do(three.lgwan, f"ip route replace {neighbour}/32 via {gateway}")
        try:
            reached(prefecture, three.lgwan, {f"{neighbour}:22"})
            assert redirects.packets == 0
            with settings(prefecture, "core", conf__all__send_redirects=1):
                reached(prefecture, three.lgwan, {f"{neighbour}:22"})
                assert redirects.packets
        finally:
            prefecture.do(three.lgwan, f"ip route delete {neighbour}/32")


# The collector


def test_the_collector_is_no_gateway(prefecture: Prefecture, three: Three) -> None:
    for name in three.names:
        assert reached(prefecture, name, {f"{COLLECTOR}:6514"}), "the flow that makes it a shared host"
        prefecture.do(name, f"ip route replace {GYOMU}/32 via {COLLECTOR} dev eth0 onlink")
        assert not reached(prefecture, name, {f"{GYOMU}:443"})
        prefecture.do(name, f"ip route delete {GYOMU}/32")
    # Loose source routing is the only way to name it as a hop. The port is the one that its flow lets through.
    with Counter(prefecture, "gyomu", "udp dport 6514") as arrived:
        send_through(prefecture, three.probation, COLLECTOR, GYOMU, 6514)
        assert arrived.packets == 0
        ways = {f"conf__{card}__accept_source_route": 1 for card in ("all", "probation", "services")}
        with (
            settings(prefecture, "core", **ways, conf__all__rp_filter=0),
            settings(prefecture, "collector", ip_forward=1, conf__all__accept_source_route=1),
            hole(prefecture, "origin udp dport 6514", "forward udp dport 6514"),
        ):
            send_through(prefecture, three.probation, COLLECTOR, GYOMU, 6514)
            assert arrived.packets


def test_the_collector_forwards_no_port(prefecture: Prefecture, three: Three) -> None:
    words = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=3"
    ask = f"{words} -i /etc/sekisho/device/device.key -W {GYOMU}:443 admin@{COLLECTOR}"
    code, _ = prefecture.on(three.internet, ask)
    assert code != 0
    assert not reached(prefecture, three.internet, {f"{COLLECTOR}:22"})
    # Were the port open, the terminal's key would still be no key to it.
    with hole(prefecture, f"forward ip saddr {three.at[three.internet]} ip daddr {COLLECTOR} tcp dport 22"):
        assert reached(prefecture, three.internet, {f"{COLLECTOR}:22"})
        code, told = prefecture.on(three.internet, ask)
        assert code != 0
        assert "Permission denied" in told


def test_the_collector_opens_no_connection(prefecture: Prefecture, three: Three) -> None:
    everybody = {f"{address}:22" for address in (*three.at.values(), GYOMU, WEB, RADIUS, CONTROL)}
    assert reached(prefecture, "collector", everybody | {f"{GYOMU}:443", f"{WEB}:443"}) == set()
    with hole(prefecture, f"forward ip saddr {COLLECTOR}"):
        assert {f"{address}:22" for address in three.at.values()} <= reached(prefecture, "collector", everybody)


# RADIUS and the switch


@pytest.mark.parametrize(("host", "address", "ports"), [("radius", RADIUS, (1812, 1813)), ("sw1", SWITCH, (3799,))])
def test_no_terminal_can_send_to_radius_or_the_switch(
    prefecture: Prefecture, three: Three, host: str, address: str, ports: tuple[int, ...]
) -> None:
    sources = ", ".join(three.at.values())
    with Counter(prefecture, host, f"ip saddr {{ {sources} }}") as arrived:
        for name in three.names:
            assert not reached(prefecture, name, {f"{address}:22", f"{address}:80"})
            for port in ports:
                send_as(prefecture, name, three.at[name], address, port)
        assert arrived.packets == 0
        with hole(prefecture, f"forward ip daddr {address} udp dport {ports[0]}"):
            send_as(prefecture, three.lgwan, three.at[three.lgwan], address, ports[0])
            assert arrived.packets


# Control


def test_no_terminal_opens_a_connection_to_control(prefecture: Prefecture, three: Three) -> None:
    ports = {f"{CONTROL}:{port}" for port in (22, 80, 443, 6514, 8080)}
    for name in three.names:
        assert reached(prefecture, name, ports) == set()
    for server in ("collector", "gyomu", "outside-web"):
        assert reached(prefecture, server, ports) == set()
    with hole(prefecture, f"forward ip saddr {three.at[three.lgwan]} ip daddr {CONTROL}"):
        assert reached(prefecture, three.lgwan, ports) == ports  # nothing listens there: refused, but reached


def test_control_forwards_nothing(prefecture: Prefecture, three: Three) -> None:
    forwarding = prefecture.run("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
    assert forwarding.stdout.split() == ["0", "0"]
    for name in three.names:
        prefecture.do(name, f"ip route replace {GYOMU}/32 via {CONTROL} dev eth0 onlink")
        assert not reached(prefecture, name, {f"{GYOMU}:443"})
        prefecture.do(name, f"ip route delete {GYOMU}/32")
    # Only a machine of the management network has it as a neighbour at all.
    prefecture.do("radius", f"ip route replace {GYOMU}/32 via {CONTROL}")
    try:
        with hole(prefecture, f"forward ip saddr {RADIUS} ip daddr {GYOMU}"):
            assert not reached(prefecture, "radius", {f"{GYOMU}:443"})
            with settings(prefecture, "control", ip_forward=1):
                assert reached(prefecture, "radius", {f"{GYOMU}:443"})
    finally:
        prefecture.do("radius", f"ip route delete {GYOMU}/32")
