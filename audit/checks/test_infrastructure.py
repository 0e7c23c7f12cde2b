"""The same facts asked of the infrastructure, which a terminal under suspicion cannot make lie."""

from __future__ import annotations

import secrets
from ipaddress import IPv4Address
from typing import Any

import pytest
from declare import check
from testinfra.host import Host

from sekisho.fleet import hosts as hosts_file
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignment
from sekisho.network import loaded
from sekisho.network.ruleset import compile_ruleset
from sekisho.policy.tiers import Tiers


@check(
    "session-in-tier",
    ja="認証サーバが現在の系統で一つの接続だけを認めている",
    en="RADIUS holds one live session, and its VLAN and lease are the ledger's",
    controls=["network-authentication", "tier-separation"],
    asks="infrastructure",
    remedy="sekisho status names the difference",
    remedy_ja="`sekisho status` で違いを確認する",
)
def test_session_in_tier(terminal: Terminal, assignment: Assignment, tiers: Tiers) -> None:
    assert not assignment.revoked, "the certificate is revoked"
    assert assignment.vlan == tiers.tiers[terminal.tier].vlan, f"RADIUS says VLAN {assignment.vlan}"
    assert assignment.sid, "RADIUS knows of no live session"
    if terminal.tier == "probation":
        assert assignment.on_lease, "no lease runs: it would stay on probation for good"
        assert assignment.lease == terminal.lease, f"RADIUS has lease {assignment.lease}, the ledger {terminal.lease}"
    else:
        assert not assignment.on_lease, "a lease runs, of which the ledger does not know"


@check(
    "certificate-in-ledger",
    ja="認証サーバの証明書番号とMACアドレスが台帳と一致する",
    en="RADIUS accepts exactly the certificate and MAC that the ledger has",
    controls=["network-authentication"],
    asks="infrastructure",
    remedy="enrol the terminal again, and find out how the difference came about",
    remedy_ja="端末証明書を発行し直し(playbooks/terminals.yml)、違いが生じた原因を調べる",
)
def test_certificate_in_ledger(terminal: Terminal, assignment: Assignment) -> None:
    assert assignment.mac == terminal.mac, f"RADIUS binds the MAC {assignment.mac}, the ledger has {terminal.mac}"
    assert assignment.serial == terminal.serial, "RADIUS binds another certificate than the ledger has"


@check(
    "router-sees-tier",
    ja="中継ルータが端末を現在の系統にだけ見ている",
    en="the router sees the terminal's MAC in its present tier, and since its session began nowhere else",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="look for a second cable or a copied MAC: ip neigh on the router",
    remedy_ja="二本目のケーブルやMACアドレスの複製がないか、中継ルータの ip neigh で調べる",
)
def test_router_sees_tier(
    terminal: Terminal,
    assignment: Assignment,
    neighbours: list[dict[str, Any]],
    addresses: dict[str, IPv4Address],
    tiers: Tiers,
) -> None:
    live = [one for one in neighbours if one.get("lladdr") and not {"FAILED", "INCOMPLETE"} & set(one["state"])]
    own, address = tiers.interface(terminal.tier), str(addresses[terminal.tier])
    here = {one["lladdr"] for one in live if one["dev"] == own and one["dst"] == address}
    assert here == {terminal.mac}, f"the router does not see it on {own}: {address} is {', '.join(here) or 'nobody'}"
    # What it was elsewhere before this session stays in the table for a while, and means nothing.
    since = assignment.held or 0.0
    elsewhere = [
        f"{one['dev']} as {one['dst']} {one['confirmed']} s ago"
        for one in live
        if one["lladdr"] == terminal.mac and (one["dev"], one["dst"]) != (own, address) and one["confirmed"] < since - 2
    ]
    assert not elsewhere, f"the router saw its MAC also on {', '.join(elsewhere)}"


@check(
    "no-flow-of-old-address",
    ja="中継ルータに旧アドレスの通信が残っていない",
    en="the router tracks no connection that the terminal's LGWAN address opened",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="conntrack -D -s ADDRESS on the router, and look at what still speaks",
    remedy_ja="まだ通信しているものを調べ、中継ルータで conntrack -D -s アドレス を実行する",
)
def test_no_flow_of_old_address(
    host: Host, machine: Any, address_of: Any, terminal: Terminal, addresses: dict[str, IPv4Address]
) -> None:
    # A router that tracks nothing would also know of no old connection: it must know of ours, which is there now.
    host.run("true")
    core = machine("core")
    track = "conntrack -L -p tcp -s %s -d %s --dport 22"
    ours = core.run(track, str(address_of("control")), str(addresses[terminal.tier]))
    if ours.rc or not ours.stdout.strip():
        raise RuntimeError("the router does not even track our own connection to the terminal: it cannot be asked")
    lines: list[str] = []
    for _ in range(2):  # the kernel may leave one out of a list while others come and go
        found = core.run("conntrack -L -s %s", str(addresses["lgwan"]))
        if found.rc:
            raise RuntimeError(f"the router cannot be asked: {found.stderr.strip()[:120]}")
        lines = lines or found.stdout.splitlines()
    assert not lines, f"{len(lines)} of {addresses['lgwan']}, such as: {' '.join(lines[0].split())[:120]}"


@check(
    "business-server-view",
    ja="業務サーバに端末の新しいアドレスからの接続記録がない",
    en="the LGWAN server knew the terminal before, and has no record of its probation or internet address",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="find the path: the LGWAN server was reached from the internet tier",
    remedy_ja="経路を突き止める: インターネット接続系からLGWAN接続系のサーバに届いている",
)
def test_business_server_view(machine: Any, addresses: dict[str, IPv4Address]) -> None:
    gyomu = machine("gyomu")
    # Also yesterday's file: the server begins a new one each night.
    log = "cat /var/log/nginx/access.log.1 /var/log/nginx/access.log 2>/dev/null"
    counted = gyomu.check_output(f"{log} | awk '{{seen[$1]++}} END {{for (one in seen) print one, seen[one]}}'")
    seen = dict(line.split() for line in counted.splitlines())
    if str(addresses["lgwan"]) not in seen:
        raise RuntimeError("the server has no record of the terminal from before: its silence says nothing")
    now = gyomu.check_output("ss -Htn state all '( sport = :443 or sport = :80 )'")
    for tier in ("probation", "internet"):
        address = str(addresses[tier])
        assert address not in seen, f"the LGWAN server was reached from {address}, {seen[address]} times"
        assert f"{address}:" not in now, f"the LGWAN server has a connection from {address}"


@check(
    "collector-hears",
    ja="端末で今起きたことが、ログ収集サーバに届く",
    en="what happens on the terminal now arrives at the collector within seconds",
    controls=["log-management"],
    asks="infrastructure",
    remedy="look at rsyslog on the terminal, sekisho-collector on the collector, and the flow between them",
    remedy_ja="端末のrsyslog、ログ収集サーバのsekisho-collector、その間の通信経路を確認する",
)
def test_collector_hears(host: Host, machine: Any, terminal: Terminal) -> None:
    # Only what comes into the spool from now on is looked at: it may be long, and a whole batch asks at once.
    collector = machine("collector")
    names = "cd /var/spool/sekisho && ls -1 | grep 'ndjson$'"
    newest = collector.run(f"{names} | tail -n 1 | xargs --no-run-if-empty stat -c '%n %s'").stdout.split()
    segment, size = newest or ("", "0")
    # sudo logs every command of ours, so the word is in the log without writing anything; no older line has it.
    word = f"sekisho-{secrets.token_hex(8)}"
    host.run("true %s", word)
    # The spool is one for all terminals: a line of this one's certificate.
    peer = f'"peer":"{terminal.asset}",'
    since = (
        f"{names} | while read -r name; do if [ $name = %s ]; then tail -c +%s $name;"
        " elif [ $name \\> %s ]; then cat $name; fi; done"
    )
    look = f"for i in $(seq 60); do ({since}) | grep -F %s | grep -q %s && exit; sleep 0.5; done 2>/dev/null; exit 1"
    found = collector.run(look, segment, str(int(size) + 1), segment, peer, word)
    assert found.rc == 0, "a log line written just now has not arrived within 30 s"


@check(
    "router-rules",
    ja="中継ルータで有効な規則が、方針から作られた規則と一致する",
    en="the rules in force on the router are exactly those compiled from the policy",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="find out who changed the router; then run playbooks/infrastructure.yml",
    remedy_ja="誰が中継ルータを変えたか調べ、playbooks/infrastructure.yml を実行する",
)
@pytest.mark.usefixtures("terminal")
def test_router_rules(router_rules: str, tiers: Tiers) -> None:
    more = [name for name in loaded.tables(router_rules) if name != loaded.TABLE]
    assert loaded.TABLE in loaded.tables(router_rules), "the router has no rules loaded"
    assert not more, f"the router has rules that the policy does not name: table {', '.join(more)}"
    found = loaded.differences(router_rules, compile_ruleset(tiers, hosts_file.read(tiers)))
    assert not found, f"the router {found[0]}" + (f", and {len(found) - 1} more" if found[1:] else "")
