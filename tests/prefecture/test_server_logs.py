"""What is done on RADIUS and the router outside of the tool is noticed; what the product does there is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

import on_probation
from prefecture import CHECKOUT, Prefecture, until
from reaching import reached

pytestmark = [pytest.mark.lab, pytest.mark.slow]
PC, OTHER = "PC-0009", "PC-0010"
PATIENCE = 120.0  # seconds for what was done to be in the store, on a machine that others use too
RULES = CHECKOUT / "detection_rules"
SERVERS = {"radius", "core"}
REQUEST = json.dumps({"do": "revoke", "cn": "PC-9999", "lease": 0, "wave": "", "gate": "by hand"})
BY_HAND = {
    "servers/assignment_asked_by_another": (
        "radius",
        f"echo '{REQUEST}' | runuser -u sekisho-assign -- /usr/local/lib/sekisho/sekisho_assign.py",
    ),
    "servers/settings_edited": ("radius", "tee -a /etc/freeradius/3.0/radiusd.conf </dev/null"),
    "servers/service_stopped": ("radius", "systemctl stop sekisho-lease; systemctl start sekisho-lease"),
    "servers/router_command_line": ("core", "vtysh -c 'show version'"),
    "firewall/rule_loaded_by_hand": ("core", "nft add table inet rehearsal; nft delete table inet rehearsal"),
}


def alerts(town: Prefecture, since: str, *rules: str) -> dict[str, list[dict[str, Any]]]:
    """What rules of ours (all, if none is named) say of everything since a moment that is in the store, by rule."""
    town.sekisho("ship", "--once")
    words = [word for rule in rules or ("",) for word in ("--rules", RULES / rule)]
    told = town.sekisho("detect", *words, "--store", "--from", since, "--strict", "--json").stdout
    found: dict[str, list[dict[str, Any]]] = {}
    for one in map(json.loads, told.splitlines()):
        found.setdefault(one["rule_title"], []).append(one)
    return found


def raised(town: Prefecture, since: str, rule: str) -> list[dict[str, Any]]:
    """The alerts of one rule, once there are any."""
    return until(lambda: [one for some in alerts(town, since, rule).values() for one in some], PATIENCE, rule)


def now() -> str:
    return datetime.now(UTC).isoformat()


def sql(town: Prefecture, statement: str) -> None:
    """Somebody with root on the RADIUS server changes its table."""
    town.do("radius", f'sqlite3 -cmd ".timeout 5000" /var/lib/sekisho/assign.db "{statement}"')


@contextmanager
def other(town: Prefecture, what: str, back: str) -> Iterator[None]:
    """A terminal's row is other than it should be; the terminal is let in again at the end."""
    sql(town, f"UPDATE assignment SET {what} WHERE cn = '{OTHER}'")
    try:
        yield
    finally:
        sql(town, f"UPDATE assignment SET {back} WHERE cn = '{OTHER}'")
        town.do(OTHER.lower(), "systemctl restart sekisho-supplicant")
        town.at_desk(OTHER)


def test_a_crossing_by_the_product_is_told_and_raises_no_alert(prefecture: Prefecture) -> None:
    since = now()
    try:
        on_probation.cross(prefecture, [PC])
    finally:
        prefecture.home([PC])
    prefecture.sekisho("network", "show")

    def told() -> list[dict[str, Any]]:
        prefecture.sekisho("ship", "--once")
        found: list[dict[str, Any]] = prefecture.json("events", "search", f"agent.name:radius {PC}", "--since", since)
        return found

    def lines(word: str) -> list[str]:
        return [text for one in told() if (text := str(one["source"].get("MESSAGE"))).startswith(f"{word} {PC} ")]

    [cross] = until(lambda: lines("cross"), PATIENCE, "the line of the crossing")
    assert " done=yes wave=tests lease=" in cross
    assert cross.endswith(" vlan=21 by=sekisho-assign from=10.9.0.10")
    [back] = until(lambda: lines("give_back"), PATIENCE, "the line of the way back")
    assert " done=yes " in back
    vlans = [line.split()[2] for line in reversed(until(lambda: lines("accepted"), PATIENCE, "the authentications"))]
    assert vlans[0] == "vlan=21"
    assert vlans[-1] == "vlan=10"
    assert {one["agent.name"] for one in told()} == {"radius"}
    of_servers = [one for some in alerts(prefecture, since).values() for one in some if one["host"] in SERVERS]
    assert of_servers == []


def test_a_row_that_somebody_changes_is_noticed(prefecture: Prefecture) -> None:
    since = now()
    with other(prefecture, "gate = 'by hand'", "gate = ''"):
        changed = raised(prefecture, since, "servers/assignment_changed_outside")
    assert [one["host"] for one in changed] == ["radius"]
    assert f'"{OTHER}": gate ' in json.dumps(changed[0]["matched"]).replace("\\", "")
    opened = raised(prefecture, since, "servers/assignment_table_opened")
    assert {one["host"] for one in opened} == {"radius"}


@pytest.mark.parametrize("rule", BY_HAND)
def test_what_is_done_by_hand_is_noticed(prefecture: Prefecture, rule: str) -> None:
    machine, command = BY_HAND[rule]
    since = now()
    prefecture.do(machine, command)
    assert {one["host"] for one in raised(prefecture, since, rule)} == {machine}


@pytest.mark.parametrize(
    ("rule", "what", "back"),
    [
        ("dot1x/revoked_certificate", "revoked = 1", "revoked = 0"),
        ("dot1x/certificate_on_unknown_mac", "mac = '02:5e:00:00:00:99'", "mac = '02:5e:00:00:00:0a'"),
        ("dot1x/replaced_certificate", "serial = serial || '00'", "serial = substr(serial, 1, length(serial) - 2)"),
        ("dot1x/second_session", "nas = 'sw1/pc-0011', sid = 'A1'", "nas = NULL, sid = NULL"),
    ],
)
def test_what_radius_refuses_is_noticed_with_the_reason(
    prefecture: Prefecture, rule: str, what: str, back: str
) -> None:
    since = now()
    with other(prefecture, what, back):
        prefecture.do(OTHER.lower(), "systemctl restart sekisho-supplicant")
        [alert, *_] = raised(prefecture, since, rule)
    assert alert["host"] == "radius"
    assert f"refused {OTHER} why=" in json.dumps(alert["matched"])


def test_the_way_of_its_log_is_the_only_one_that_radius_has(prefecture: Prefecture) -> None:
    collector, gyomu, web = "10.150.0.10", "10.110.0.10", "203.0.113.80"
    targets = {f"{address}:{port}" for address in (collector, gyomu, web) for port in (22, 443, 5044, 6514)}
    assert reached(prefecture, "radius", targets) == {f"{collector}:6514"}


def test_servers_that_are_heard_are_not_silent(prefecture: Prefecture) -> None:
    prefecture.sekisho("ship", "--once")
    told = prefecture.json("events", "silent", code=None)
    assert told["servers"] == len(SERVERS)
    assert not SERVERS & {one["asset"] for one in told["silent"]}
