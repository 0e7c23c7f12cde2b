"""The terminal's own network rules and addresses: are they those of its tier, and only those?"""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import profiles
from declare import check
from testinfra.host import Host

from sekisho.fleet.terminal import Terminal
from sekisho.network import loaded


@check(
    "host-firewall",
    ja="端末のファイアウォールの規則が現在の系統のものと一致する(着信は既定で拒否)",
    en="the host firewall's rules in force are exactly those of the present tier, which drop by default",
    controls=["endpoint-protection"],
    asks="terminal",
    remedy="systemctl restart sekisho-profile; find out who changed the rules",
    remedy_ja="playbooks/prepare.yml を実行し、誰が変更したか調べる",
)
def test_host_firewall(host: Host, terminal: Terminal) -> None:
    listed = host.check_output("nft -s list ruleset")
    assert loaded.TABLE in loaded.tables(listed), "the host firewall's rules are not loaded"
    found = loaded.differences(listed, profiles.wanted(terminal.tier))
    assert not found, f"not the rules of {terminal.tier}: the host firewall {found[0]}"


@check(
    "profiles-present",
    ja="移行先と移行元の両方のネットワーク設定が正しい内容で端末にある",
    en="the terminal carries the right profile of every tier it may be given",
    controls=["tier-separation"],
    asks="terminal",
    remedy="run playbooks/prepare.yml for this terminal",
    remedy_ja="この端末に playbooks/prepare.yml を実行する",
)
def test_profiles_present(host: Host) -> None:
    told = host.run("cat /etc/sekisho/profiles.nft")
    assert told.rc == 0, "the terminal has no profiles"
    carried = profiles.parts(told.stdout)
    for tier in ("lgwan", "probation", "internet", "quarantine"):
        assert tier in carried, f"the profile {tier} is missing"
        found = loaded.differences(carried[tier], profiles.wanted(tier))
        assert not found, f"the profile {tier} {found[0]}"


@check(
    "profile-applied",
    ja="現在の系統のネットワーク設定が適用され、切替サービスが動作している",
    en="the service that follows the network runs, and has applied the present tier's profile",
    controls=["tier-separation"],
    asks="terminal",
    remedy="systemctl enable sekisho-profile; systemctl restart sekisho-profile",
    remedy_ja="端末で systemctl restart sekisho-profile を実行する",
)
def test_profile_applied(host: Host, terminal: Terminal) -> None:
    service = host.service("sekisho-profile")
    assert service.is_running, "the service sekisho-profile does not run: a change of network would not be followed"
    assert service.is_enabled, "the service sekisho-profile would not start with the machine"
    told = host.check_output("cat /run/sekisho/profile")
    assert told == terminal.tier, f"the profile in force is {told}, expected {terminal.tier}"


@check(
    "one-address",
    ja="端末のアドレスは現在の系統の一つだけである(全カード・IPv6を含む)",
    en="the terminal has the address of its present tier and no other, on any card, IPv6 included",
    controls=["tier-separation"],
    asks="terminal",
    remedy="remove the second address or card",
    remedy_ja="二つ目のアドレスまたはインターフェースを取り除く",
)
def test_one_address(host: Host, terminal: Terminal, addresses: dict[str, IPv4Address]) -> None:
    links = json.loads(host.check_output("ip -j address show"))
    found = [
        (link["ifname"], one["local"])
        for link in links
        for one in link["addr_info"]
        # A link-local address is of no tier: nobody reaches it from beyond the VLAN.
        if one["local"] not in {"127.0.0.1", "::1"} and (one["family"], one["scope"]) != ("inet6", "link")
    ]
    own = str(addresses[terminal.tier])
    assert own in {address for _, address in found}, f"it does not have its address {own}"
    others = [f"{address} on {card}" for card, address in found if (card, address) != ("eth0", own)]
    assert not others, f"a further address: {', '.join(others)}"
    cards = [link["ifname"] for link in links if link["ifname"] not in {"lo", "eth0"} and "UP" in link["flags"]]
    assert not cards, f"a further network card is up: {', '.join(cards)}"
