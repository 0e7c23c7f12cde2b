"""Probation reaches the exit gate's targets and nothing else; only confirmation opens the internet; ways back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import on_probation
from fault import tunnel
from prefecture import Prefecture
from reaching import bare, hole, reached
from sekisho.evidence.chain import Chain
from sekisho.fleet import hosts
from sekisho.policy import tiers as policy

TIERS = policy.read()
HOSTS = hosts.read(TIERS)
COLLECTOR, PROBE, OUTSIDE, GYOMU = "10.150.0.10:6514", "203.0.113.81:443", "203.0.113.80:443", "10.110.0.10:443"
ONE, OTHER = "PC-0004", "PC-0005"


def scan(prefecture: Prefecture, asset: str) -> set[str]:
    """What answers a terminal beneath its own host rules: every server, device and router address, every terminal."""
    one = prefecture.terminal(asset)
    own = TIERS.tiers[one.tier].network  # neighbours in the same VLAN are not the router's to part
    fixed = [host.address for host in HOSTS.hosts.values()]
    fixed += [network.gateway.ip for network in TIERS.networks.values()]
    targets = {f"{address}:{port}" for address in fixed for port in (22, 53, 80, 443, 1812, 3799, 6514, 8080, 9100)}
    terminals = {TIERS.address(tier, number) for tier in TIERS.tiers for number in range(1, 15)}
    targets |= {f"{address}:22" for address in terminals if address not in own}
    with bare(prefecture, one.name):
        return reached(prefecture, one.name, sorted(targets))


def records(prefecture: Prefecture, kind: str, asset: str) -> list[dict[str, Any]]:
    return [one.body for one in Chain(prefecture.opened()).records(kind) if one.subject["name"] == asset]


@pytest.fixture(autouse=True)
def at_home(prefecture: Prefecture) -> Iterator[None]:
    yield
    prefecture.home([ONE, OTHER])


def test_probation_opens_only_what_the_exit_gate_asks(prefecture: Prefecture) -> None:
    assert scan(prefecture, ONE) == {COLLECTOR, GYOMU}
    on_probation.cross(prefecture, [ONE])
    assert scan(prefecture, ONE) == {COLLECTOR, PROBE}
    # A rule too many on the router would be seen, whatever the terminal's own rules say.
    name, address = prefecture.terminal(ONE).name, TIERS.address("probation", prefecture.terminal(ONE).number)
    with hole(prefecture, f"forward ip saddr {address} ip daddr 203.0.113.80"), bare(prefecture, name):
        assert reached(prefecture, name, [OUTSIDE])
    # Undone, it is home at once: it has not met the internet.
    prefecture.sekisho("rollback", ONE)
    prefecture.at_desk(ONE)
    assert (prefecture.terminal(ONE).standing, prefecture.terminal(ONE).tier) == ("returned", "lgwan")
    assert prefecture.row(ONE).left is None
    assert scan(prefecture, ONE) == {COLLECTOR, GYOMU}


def test_a_confirmed_terminal_comes_home_only_through_the_return_gate(prefecture: Prefecture) -> None:
    on_probation.cross(prefecture, [OTHER])
    on_probation.confirm(prefecture, [OTHER])
    opened = scan(prefecture, OTHER)
    assert {COLLECTOR, PROBE, OUTSIDE} <= opened
    assert all(target == COLLECTOR or target.startswith("203.0.113.") for target in opened)
    assert not any(target.endswith(":22") for target in opened)

    prefecture.sekisho("rollback", OTHER)
    prefecture.at_desk(OTHER)
    one = prefecture.terminal(OTHER)
    assert (one.standing, one.tier) == ("quarantined", "quarantine")
    assert scan(prefecture, OTHER) == {COLLECTOR}
    prefecture.at_desk(OTHER)

    # Neither by a second rollback, nor without a proof, nor against the gate.
    prefecture.sekisho("rollback", OTHER)
    assert prefecture.terminal(OTHER).tier == "quarantine"
    prefecture.sekisho("release", OTHER, "--cleaned-by", "情報政策課", code=2)
    fault = tunnel("mynumber-unreachable", "10.140.0.10", "the My Number server answers")
    release = ("release", OTHER, "--cleaned-by", "情報政策課", "--reinstalled", "2026-11-24", "--lang", "en")
    fault.apply(prefecture, one)
    try:
        refused = prefecture.sekisho(*release, code=1)
    finally:
        fault.mend(prefecture, one)
    assert f"stays in quarantine: {OTHER}" in refused.stderr
    assert "the My Number server answers" in refused.stderr
    assert prefecture.vlan(one.name) == TIERS.tiers["quarantine"].vlan

    proofs = len(records(prefecture, "return.proof", OTHER))
    prefecture.sekisho(*release)
    prefecture.at_desk(OTHER)
    assert prefecture.terminal(OTHER).tier == "lgwan"
    assert prefecture.vlan(one.name) == TIERS.tiers["lgwan"].vlan
    told = records(prefecture, "return.proof", OTHER)
    assert len(told) == proofs + 1
    assert (told[-1]["cleaned_by"], told[-1]["reinstalled"]) == ("情報政策課", "2026-11-24")
    gate = records(prefecture, "gate.result", OTHER)[-1]
    assert (gate["gate"], gate["passed"]) == ("return", True)


def test_who_was_not_in_quarantine_is_not_released(prefecture: Prefecture) -> None:
    release = ("release", ONE, "--cleaned-by", "情報政策課", "--reinstalled", "2026-11-24", "--lang", "en")
    assert "not in quarantine" in prefecture.sekisho(*release, code=1).stderr
