"""The same facts asked of the infrastructure, which a terminal under suspicion cannot make lie."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from declare import check

from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignment
from sekisho.policy.tiers import Tiers


@check(
    "session-in-tier",
    ja="認証サーバが現在の系統で一つの接続だけを認めている",
    en="RADIUS holds one live session, and its VLAN is the ledger's tier",
    controls=["network-authentication", "tier-separation"],
    asks="infrastructure",
    remedy="sekisho status names the difference",
    remedy_ja="`sekisho status` で違いを確認する",
)
def test_session_in_tier(terminal: Terminal, assignment: Assignment, tiers: Tiers) -> None:
    assert assignment.vlan == tiers.tiers[terminal.tier].vlan, f"RADIUS says VLAN {assignment.vlan}"
    assert assignment.sid, "RADIUS knows of no live session"
    assert not assignment.revoked, "the certificate is revoked"


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
    assert assignment.mac.replace("-", ":").lower() == terminal.mac, f"RADIUS binds the MAC {assignment.mac}"
    assert assignment.serial == terminal.serial, "RADIUS binds another certificate"


@check(
    "router-sees-tier",
    ja="中継ルータが端末を現在の系統にだけ見ている",
    en="the router sees the terminal's MAC in its present tier",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="look for a second cable or a copied MAC: ip neigh on the router",
    remedy_ja="二本目のケーブルやMACアドレスの複製がないか、中継ルータの ip neigh で調べる",
)
def test_router_sees_tier(
    terminal: Terminal, neighbours: list[dict[str, Any]], tiers: Tiers, here_for: float | None
) -> None:
    # An entry of the tier that it left stays for a while; it counts only if it was confirmed since.
    newest: dict[str, int] = {}
    for item in neighbours:
        if item.get("lladdr") == terminal.mac and not {"FAILED", "INCOMPLETE"} & set(item.get("state", [])):
            newest[item["dev"]] = min(int(item["confirmed"]), newest.get(item["dev"], 1 << 31))
    own = tiers.interface(terminal.tier)
    assert own in newest, f"the router does not see it on {own}"
    since = newest[own] if here_for is None else here_for - 2
    elsewhere = [f"{dev} {age} s ago" for dev, age in sorted(newest.items()) if dev != own and age < since]
    assert not elsewhere, f"the router saw it on {', '.join(elsewhere)}"


@check(
    "no-flow-of-old-address",
    ja="中継ルータに旧アドレスの通信が残っていない",
    en="the router tracks no connection of the terminal's LGWAN address",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="conntrack -D -s ADDRESS on the router, and look at what still speaks",
    remedy_ja="まだ通信しているものを調べ、中継ルータで conntrack -D -s アドレス を実行する",
)
def test_no_flow_of_old_address(machine: Any, addresses: dict[str, IPv4Address]) -> None:
    said = machine("core").check_output("conntrack -L -s %s", str(addresses["lgwan"]))
    assert not said, f"{len(said.splitlines())} connections are still tracked: {said.splitlines()[0][:120]}"


@check(
    "business-server-view",
    ja="業務サーバに端末の新しいアドレスからの接続記録がない",
    en="the LGWAN server has no record of the terminal's probation or internet address",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="find the path: the LGWAN server was reached from the internet tier",
    remedy_ja="経路を突き止める: インターネット接続系からLGWAN接続系のサーバに届いている",
)
def test_business_server_view(machine: Any, addresses: dict[str, IPv4Address]) -> None:
    for tier in ("probation", "internet"):
        found = machine("gyomu").run("grep -c '^%s ' /var/log/nginx/access.log", str(addresses[tier]))
        assert found.stdout.strip() in {"0", ""}, f"the LGWAN server was reached from {addresses[tier]}"


@check(
    "collector-hears",
    ja="ログ収集サーバに端末の直近のログが届いている",
    en="the collector has received a log line from this terminal within the last two minutes",
    controls=["log-management"],
    asks="infrastructure",
    remedy="look at rsyslog on the terminal and at the flow to the collector",
    remedy_ja="端末のrsyslogと、ログ収集サーバへの通信経路を確認する",
)
def test_collector_hears(machine: Any, terminal: Terminal) -> None:
    # Asking the terminal anything makes its sudo write a line, so a working agent has always just sent one.
    log = f"/var/log/terminals/{terminal.name}.log"
    told = machine("collector").run("echo $(( $(date +%%s) - $(stat -c %%Y %s) ))", log)
    assert told.rc == 0, "no log line has ever arrived"
    assert int(told.stdout) <= 120, f"the last log line arrived {int(told.stdout)} s ago"


@check(
    "router-rules",
    ja="中継ルータの規則が方針どおりに読み込まれている",
    en="the router's rules are loaded and drop by default",
    controls=["tier-separation"],
    asks="infrastructure",
    remedy="run playbooks/infrastructure.yml; find out who changed the router",
    remedy_ja="playbooks/infrastructure.yml を実行し、誰が中継ルータを変えたか調べる",
)
def test_router_rules(machine: Any, terminal: Terminal) -> None:
    said = machine("core").check_output("nft list chain inet sekisho forward")
    assert "policy drop" in said, f"{terminal.asset}: the router's forward chain does not drop by default"
