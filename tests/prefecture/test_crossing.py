"""Who may change a tier, and what one terminal may be at one time: rules 1, 4 and 5 of the crossing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from prefecture import SEKISHO, Prefecture, until
from sekisho.core.reason import typed
from sekisho.evidence.chain import Chain
from sekisho.fleet.standing import Standing
from sekisho.identity.assignments import Assignments
from sekisho.migration import crossing
from sekisho.migration.crossing import Pass
from sekisho.migration.journal import Change, Journal
from sekisho.policy import tiers

pytestmark = pytest.mark.lab
DATABASE = "/var/lib/sekisho/assign.db"
PC, OTHER = "PC-0009", "PC-0010"


def sql(prefecture: Prefecture, statement: str) -> str:
    """Somebody with root on the RADIUS server changes its table behind our back."""
    return prefecture.do("radius", f'sqlite3 -cmd ".timeout 5000" {DATABASE} "{statement}"')


@contextmanager
def changed(prefecture: Prefecture, what: str, asset: str = PC) -> Iterator[None]:
    """A row of the table is other than the ledger says, for a while."""
    column = what.partition("=")[0]
    before = sql(prefecture, f"SELECT quote({column}) FROM assignment WHERE cn = '{asset}'").strip()
    sql(prefecture, f"UPDATE assignment SET {what} WHERE cn = '{asset}'")
    try:
        yield
    finally:
        sql(prefecture, f"UPDATE assignment SET {column} = {before} WHERE cn = '{asset}'")


# 1. No pass, no crossing


def test_the_key_of_the_one_command_opens_nothing_else(prefecture: Prefecture) -> None:
    key = prefecture.state / "ssh" / "assign_ed25519"
    words = ("ssh", "-F", prefecture.state / "ssh" / "config", "-o", "ControlPath=none", "-i", key)
    target = ("-l", "sekisho-assign", "10.9.0.3")
    asked = prefecture.run(*words, *target, "id; cat /etc/sekisho/switch.secret", timeout=20)
    assert "uid=" not in asked.stdout
    assert asked.stdout == ""
    assert "PTY allocation request failed" in prefecture.run(*words, "-tt", *target, timeout=20).stderr
    tunnel = prefecture.run(*words, "-o", "ExitOnForwardFailure=yes", "-W", "10.9.0.3:22", *target, timeout=20)
    assert tunnel.returncode != 0
    assert "SSH-" not in tunnel.stdout


def test_the_management_key_does_not_open_the_one_commands_account(prefecture: Prefecture) -> None:
    words = ("ssh", "-F", prefecture.state / "ssh" / "config", "-o", "ControlPath=none")
    asked = prefecture.run(*words, "-l", "sekisho-assign", "10.9.0.3", "true", timeout=20)
    assert asked.returncode == 255
    assert "Permission denied" in asked.stderr


def test_status_names_each_difference_between_radius_and_the_ledger(prefecture: Prefecture) -> None:
    assert prefecture.json("status")["sound"]
    with (
        changed(prefecture, "vlan=40", "PC-0007"),
        changed(prefecture, "mac='02:5e:00:00:00:99'", "PC-0002"),
        changed(prefecture, "serial='ab'", "PC-0003"),
    ):
        sql(prefecture, "UPDATE assignment SET cn = 'PC-9999' WHERE cn = 'PC-0004'")
        found = [str(line) for line in prefecture.json("status", code=1)["differences"]]
        sql(prefecture, "UPDATE assignment SET cn = 'PC-0004' WHERE cn = 'PC-9999'")
    for asset, word in (
        ("PC-0007", "VLAN 40"),
        ("PC-0002", "MAC"),
        ("PC-0003", "certificate"),
        ("PC-0004", "not in the RADIUS table"),
        ("PC-9999", "not in the ledger"),
    ):
        assert [asset in line and word in line for line in found].count(True) == 1, (asset, found)
    assert len(found) == 5
    assert prefecture.json("status")["sound"]


def test_status_can_be_asked_at_any_moment_of_a_wave(prefecture: Prefecture) -> None:
    """What a run is just moving is no difference, and everything else still is."""
    wave = prefecture.wave(PC)
    seen, spoilt, pictures = set[str](), list[str](), 0
    run = subprocess.Popen(
        prefecture.argv(SEKISHO, "migrate", "--wave", wave),
        env=prefecture.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while run.poll() is None:
            told = prefecture.json("status", code=None)
            if told["run"] is None:
                continue  # it has not begun, or has just ended
            pictures += 1
            assert (told["run"]["pid"], told["run"]["what"]) == (run.pid, f"wave {wave}")
            assert (told["unknown"], told["differences"]) == (None, [])
            seen |= {one["standing"] for one in told["terminals"] if one["asset"] == PC}
            if "probation" in seen and not spoilt:
                with changed(prefecture, "mac='02:5e:00:00:00:99'", OTHER):
                    differing = prefecture.json("status", code=1)["differences"]
                    spoilt = [one["values"]["asset"] for one in differing]
        assert run.returncode == 0
        assert pictures >= 5
        assert spoilt == [OTHER]
        after = prefecture.json("status")
        assert (after["run"], after["sound"]) == (None, True)
    finally:
        run.kill()
        run.wait()
        prefecture.home([PC])


def test_a_wave_does_not_begin_while_radius_and_the_ledger_differ(prefecture: Prefecture) -> None:
    wave = prefecture.wave(PC)
    with changed(prefecture, "vlan=20"):
        refused = prefecture.sekisho("migrate", "--wave", wave, code=1)
    assert PC in refused.stderr
    assert prefecture.terminal(PC).standing == Standing.PLANNED


# 4. One row decides


def test_a_network_that_the_terminal_does_not_know_closes_it(prefecture: Prefecture) -> None:
    """The row says the My Number tier, of which a staff terminal has no profile and no address."""
    name = PC.lower()
    prefecture.at_desk(PC)
    with changed(prefecture, "vlan=40"):
        replug(prefecture, name)
        until(lambda: prefecture.vlan(name) == 40, 40, "the port is in the My Number VLAN")
        until(lambda: prefecture.on(name, "grep -qx closed /run/sekisho/profile")[0] == 0, 20, "the closed profile")
        rules = prefecture.do(name, "nft list ruleset")
        assert "tcp dport 22" not in rules
        assert rules.count("policy drop") == 3
    replug(prefecture, name)
    prefecture.at_desk(PC)


def test_a_foreign_address_closes_it(prefecture: Prefecture) -> None:
    name = PC.lower()
    prefecture.do(name, "ip address add 192.168.77.2/24 dev eth0")
    until(lambda: prefecture.on(name, "grep -qx closed /run/sekisho/profile")[0] == 0, 10, "the closed profile")
    prefecture.do(name, "ip address del 192.168.77.2/24 dev eth0")
    prefecture.at_desk(PC)


def test_the_log_agent_outlives_many_changes_of_network(prefecture: Prefecture) -> None:
    """It is restarted at each; after five within ten seconds systemd would leave it dead, and the terminal unlogged."""
    foreign, log = "192.168.77.2/24", "systemctl show --value -p ExecMainStartTimestampMonotonic rsyslog"
    for profile, word in [("closed", "add"), ("lgwan", "del")] * 4:
        before = prefecture.do(PC.lower(), log)
        prefecture.do(PC.lower(), f"ip address {word} {foreign} dev eth0")
        until(lambda: prefecture.on(PC.lower(), f"grep -qx {profile} /run/sekisho/profile")[0] == 0, 10, profile)  # noqa: B023
        until(lambda: prefecture.do(PC.lower(), log) != before, 10, "the log agent is restarted")  # noqa: B023
    prefecture.at_desk(PC)
    prefecture.do(PC.lower(), "systemctl is-active rsyslog")


# 5. One live session a terminal


def replug(prefecture: Prefecture, name: str) -> None:
    prefecture.lab.plug([name], "out")
    until(lambda: prefecture.row(name.upper()).sid is None, 15, "accounting has ended the session")
    prefecture.lab.plug([name], "desk")


@contextmanager
def copied(prefecture: Prefecture, *, mac: bool) -> Iterator[None]:
    """The key of PC is stolen: the machine OTHER uses it at its own port, with PC's MAC address too if `mac`."""
    thief, victim = OTHER.lower(), PC.lower()
    for file in ("device.key", "device.crt"):
        content = prefecture.do(victim, f"base64 -w0 /etc/sekisho/device/{file}")
        prefecture.do(
            thief, f"cd /etc/sekisho/device && cp -p {file} own.{file} && echo {content} | base64 -d > {file}"
        )
    prefecture.do(thief, f"sed -i.own 's/{OTHER}/{PC}/' /etc/sekisho/supplicant.conf")
    own = prefecture.do(thief, "cat /sys/class/net/eth0/address").strip()
    theirs = prefecture.do(victim, "cat /sys/class/net/eth0/address").strip()
    prefecture.lab.plug([thief], "out")
    if mac:
        prefecture.do(thief, f"ip link set eth0 address {theirs}")
    prefecture.do(thief, "systemctl restart sekisho-supplicant")
    prefecture.lab.plug([thief], "desk")
    try:
        yield
    finally:
        prefecture.lab.plug([thief], "out")
        prefecture.do(
            thief, f"ip link set eth0 address {own}; mv /etc/sekisho/supplicant.conf.own /etc/sekisho/supplicant.conf"
        )
        prefecture.do(thief, "cd /etc/sekisho/device && for f in device.key device.crt; do mv own.$f $f; done")
        prefecture.do(thief, "systemctl restart sekisho-supplicant")
        prefecture.lab.plug([thief], "desk")
        prefecture.at_desk(OTHER)


def refused_at(prefecture: Prefecture, name: str) -> bool:
    """The switch says that this port's terminal was refused, and the port is closed."""
    said = prefecture.do("sw1", "journalctl -u port-agent --no-pager -n 400 -o cat")
    return f"{name}: STA" in said and "authentication failed" in said.rpartition(f"{name}: STA")[2].splitlines()[0]


@pytest.mark.parametrize("mac", [False, True], ids=["another MAC address", "the same MAC address"])
def test_a_copied_certificate_is_refused_while_the_terminal_is_at_its_desk(prefecture: Prefecture, mac: bool) -> None:
    prefecture.at_desk(PC)
    session = prefecture.row(PC).sid
    with copied(prefecture, mac=mac):
        until(lambda: refused_at(prefecture, OTHER.lower()), 30, "the copy is refused")
        assert prefecture.vlan(OTHER.lower()) is None
        assert prefecture.vlan(PC.lower()) == 10
        assert prefecture.row(PC).sid == session, "the true terminal's session was touched"
    assert prefecture.answers(PC.lower(), "10.110.0.10")


def test_no_acknowledgement_no_crossing(prefecture: Prefecture) -> None:
    """The switch hears no Disconnect-Request: the terminal stays where it is, and counts as returned."""
    prefecture.at_desk(PC)
    wave = prefecture.wave(PC)
    journal = Journal(prefecture.opened(), who="test", wave=wave)
    for standing in (Standing.ADMITTED, Standing.PREPARED):
        journal.change([Change(PC, standing, typed("test"))])
    prefecture.do("sw1", "nft add table inet deaf; nft add chain inet deaf in '{ type filter hook input priority 0; }'")
    prefecture.do("sw1", "nft add rule inet deaf in udp dport 3799 drop")
    try:
        crossed = prefecture.inside(
            lambda: crossing.cross(
                [journal.ledger.terminal(PC)],
                Pass(wave, "entry:test:passed", 60),
                tiers=tiers.read(),
                journal=journal,
                identity=Assignments(prefecture.opened()),
            )
        )
    finally:
        prefecture.do("sw1", "nft delete table inet deaf")
    assert crossed == []
    one = prefecture.terminal(PC)
    assert (one.standing, one.tier) == (Standing.RETURNED, "lgwan")
    assert prefecture.vlan(PC.lower()) == 10
    assert prefecture.row(PC).vlan == 10
    kinds = [record.kind for record in Chain(prefecture.opened()).records() if record.subject.get("name") == PC]
    assert kinds[-2:] == ["crossing.intent", "crossing.refused"]
    assert prefecture.json("status")["sound"]
    prefecture.home([PC])


def test_a_stale_session_is_cleared_by_asking_the_switch(prefecture: Prefecture) -> None:
    """The switch lost its sessions and could not tell: the claims stand, and a crossing is possible at once."""
    prefecture.at_desk(PC)
    table = Assignments(prefecture.opened())
    with prefecture.opened().transaction() as tx:
        lease = tx.next("lease")
    words = {"vlan": 21, "back": 10, "seconds": 60, "wave": "test", "gate": "test"}
    prefecture.do("radius", "systemctl stop freeradius")
    try:
        prefecture.do("sw1", "systemctl restart port-agent")
        until(lambda: prefecture.vlan(PC.lower()) is None, 10, "the port is closed")
        assert prefecture.row(PC).sid, "a claim that nobody released"
        answer = prefecture.inside(lambda: table.cross({PC: lease}, **words))[PC]
        assert (answer.done, answer.facts["disconnect"]) == (True, "none")
        assert prefecture.row(PC).sid is None
    finally:
        prefecture.do("radius", "systemctl start freeradius")
    until(lambda: prefecture.vlan(PC.lower()) == 21, 60, "it is on probation")
    prefecture.inside(lambda: table.give_back({PC: lease}, wave="test", gate="test"))
    for number in range(1, 13):
        prefecture.at_desk(f"PC-{number:04d}")
