"""What happens on a terminal is at the collector: every record, under the terminal's name, whatever ends meanwhile."""

from __future__ import annotations

import json
import re
import secrets
from itertools import count
from typing import Any

import pytest

from prefecture import BIN, Prefecture, until
from sekisho.core.clock import JAPAN
from sekisho.telemetry import spooled
from sekisho.telemetry.formats import snoopy
from test_playbooks import nothing_done, play

pytestmark = [pytest.mark.lab, pytest.mark.slow]
PC = "pc-0009"
PATIENCE = 90.0  # seconds for what is queued to arrive, on a machine that others use too
SEGMENTS = "/var/spool/sekisho"
FRAME = (
    rf"<\d+>1 \d{{4}}-\d\d-\d\dT[\d:.]+\+09:00 {PC} sekisho - - "
    rf"\[place@32473 file=\"{SEGMENTS}/\d{{20}}\.ndjson\" offset=\"\d+\"$"
)
# Which service listens: the collector's own, whatever its name is.
UNIT = "ps -o unit= -p $(ss -Hltnp 'sport = :6514' | grep -o 'pid=[0-9]*' | head -1 | cut -d= -f2)"


def word() -> str:
    return f"w{secrets.token_hex(6)}"


def arrived(town: Prefecture, marker: str) -> list[dict[str, Any]]:
    """The journal's records with a word in them, as the collector has them from the terminal PC, each once."""
    found = {}
    for line in town.on("collector", f"grep -ah {marker} {SEGMENTS}/*.ndjson 2>/dev/null")[1].splitlines():
        frame = json.loads(line)
        assert frame["via"] == "relp"
        if frame["peer"] == PC.upper():
            head, _, record = frame["raw"].partition("] ")
            assert re.match(FRAME, head)
            told = json.loads(record)
            found[told["__CURSOR"]] = told
    return list(found.values())


def awaited(town: Prefecture, marker: str, number: int = 1) -> list[dict[str, Any]]:
    until(lambda: len(arrived(town, marker)) >= number, PATIENCE, f"{number} records with {marker}")
    return arrived(town, marker)


def text(record: dict[str, Any]) -> str:
    """A record's message; the journal tells bytes that are no text as numbers."""
    message = record["MESSAGE"]
    return message if isinstance(message, str) else bytes(message or []).decode(errors="replace")


def test_each_process_start_is_one_event(prefecture: Prefecture) -> None:
    marker = word()
    loop = f"i=0; while [ $i -lt 1000 ]; do /bin/true {marker}; i=$((i+1)); done"
    prefecture.do(PC, f"runuser -u admin -- sh -c '{loop}'")
    awaited(prefecture, marker, 1000)
    prefecture.do(PC, f"logger {marker} last")  # what comes after the last has arrived too
    until(lambda: any(text(one) == f"{marker} last" for one in arrived(prefecture, marker)), PATIENCE, "the last")
    starts = [
        one for one in arrived(prefecture, marker) if text(one).endswith(f"//file=/bin/true//cmd=/bin/true {marker}")
    ]
    assert len(starts) == 1000
    assert {(one["SYSLOG_IDENTIFIER"], one["_UID"], one["_HOSTNAME"]) for one in starts} == {("snoopy", "1000", PC)}
    told = [
        re.match(r"v1 pid=(\d+) ppid=(\d+) sid=\d+ uid=1000 euid=1000 gid=1000 egid=1000 user=admin tty=", text(one))
        for one in starts
    ]
    assert len({one[1] for one in told if one}) == 1000
    assert len({one[2] for one in told if one}) == 1
    assert all(one and one[1] == start["_PID"] for one, start in zip(told, starts, strict=True))


def test_the_event_of_a_start_names_the_parents_program(prefecture: Prefecture) -> None:
    """Of a shell that its own record told of, and of one that `env` became, which no record tells."""
    marker = word()
    typed = "/bin/true {0} first; sleep 2; /bin/true {0} second; exit"
    prefecture.do(PC, f"runuser -u admin -- sh -c 'bash -c \"{typed.format(marker)}\"; exit'")
    unseen = word()
    prefecture.do(PC, f"runuser -u admin -- sh -c 'env bash -c \"{typed.format(unseen)}\"; exit'")
    prefecture.do(PC, f"logger {unseen} last")
    until(lambda: any(text(one) == f"{unseen} last" for one in arrived(prefecture, unseen)), PATIENCE, "the last")
    lines = prefecture.do("collector", f"grep -ahE '{marker}|{unseen}' {SEGMENTS}/*.ndjson").encode().splitlines()
    starts = [json.loads(one.source) for one in spooled.read(lines, JAPAN).events if one.ecs.event__action == "exec"]
    parents = {one["CommandLine"]: one.get("ParentImage") for one in starts if one["Image"] == "/bin/true"}
    shells = {one["Image"] for one in starts if one["CommandLine"].startswith(f"bash -c /bin/true {marker}")}
    assert {parents[f"/bin/true {marker} {which}"] for which in ("first", "second")} == shells
    assert {path.rpartition("/")[2] for path in shells} == {"bash"}
    assert parents[f"/bin/true {unseen} first"] is None  # what `env` became was not known yet, and `env` it was not
    assert parents[f"/bin/true {unseen} second"] == "/usr/bin/bash"


def test_an_argument_cannot_pretend_to_be_another_field(prefecture: Prefecture) -> None:
    marker = word()
    hostile = f"{marker} \\n//cmd=ls uid=0 //file=/bin/su \\042,\\042_UID\\042:\\0420\\042"
    prefecture.do(PC, f"""cd /tmp; runuser -u admin -- bash -c '/bin/true "$(printf "{hostile}")"'""")
    calls = [(one, snoopy.read(text(one))) for one in awaited(prefecture, marker, 2)]
    [(record, call)] = [(one, call) for one, call in calls if call and call.image == "/bin/true"]
    assert (call.uid, call.pid, call.cwd) == ("1000", record["_PID"], "/tmp")
    assert record["_UID"] == "1000"
    told = f'/bin/true {marker} \n//cmd=ls uid=0 //file=/bin/su ","_UID":"0"'
    assert call.command_line == told


def test_logins_sudo_and_8021x_arrive(prefecture: Prefecture) -> None:
    marker = word()
    prefecture.do(PC, f"runuser -u admin -- sudo /bin/echo {marker}")
    done = prefecture.run(BIN / "ansible", "-i", "inventory/ledger", PC, "-m", "ping")
    assert done.returncode == 0, done.stdout

    def sudo() -> list[str]:
        return [text(one) for one in arrived(prefecture, marker) if one["SYSLOG_IDENTIFIER"] == "sudo"]

    until(sudo, PATIENCE, "what sudo did")
    assert f"USER=root ; COMMAND=/bin/echo {marker}" in sudo()[0]
    login = awaited(prefecture, "'Accepted publickey for admin from '")
    assert {one["_COMM"] for one in login} == {"sshd"}
    before = len(arrived(prefecture, "CTRL-EVENT-EAP-SUCCESS"))
    prefecture.do(PC, "systemctl restart sekisho-supplicant")
    until(lambda: len(arrived(prefecture, "CTRL-EVENT-EAP-SUCCESS")) > before, PATIENCE, "the authentication")
    prefecture.at_desk(PC.upper())


def test_what_the_firewall_accepts_and_drops_arrives(prefecture: Prefecture) -> None:
    own = prefecture.do(PC, "ip -4 -o address show dev eth0").split()[3].split("/")[0]
    foreign = "10.99.9.9"  # of no tier: what would go out under it is dropped
    send = f"curl --silent --max-time 1 --interface {foreign} http://10.110.0.10:8080/"
    prefecture.do(PC, f"ip address add {foreign}/32 dev lo; {send}; ip address delete {foreign}/32 dev lo")
    prefecture.do(PC, "curl --silent --output /dev/null --insecure --max-time 5 https://10.110.0.10/")

    def decided(prefix: str, **fields: object) -> list[dict[str, Any]]:
        found = [json.loads(text(one)) for one in arrived(prefecture, "'oob.prefix'") if text(one).startswith("{")]
        return [one for one in found if one["oob.prefix"] == prefix and fields.items() <= one.items()]

    until(
        lambda: decided("dropped ", src_ip=foreign, dest_ip="10.110.0.10", dest_port=8080),
        PATIENCE,
        "the packet that was dropped",
    )
    until(lambda: decided("accepted ", src_ip=own, dest_ip="10.110.0.10", dest_port=443), PATIENCE, "the connection")


def test_what_a_users_program_says_arrives(prefecture: Prefecture) -> None:
    """As the client of the file share does, and that of the screen transfer."""
    marker = word()
    prefecture.do(PC, f"runuser -u admin -- sh -c 'echo {marker} | systemd-cat -t rclone'")
    until(
        lambda: (
            [(one["SYSLOG_IDENTIFIER"], one["_UID"]) for one in arrived(prefecture, marker) if text(one) == marker]
            == [("rclone", "1000")]
        ),
        PATIENCE,
        "the line",
    )


# A record as a program hands it to the journal, with a message of N octets.
LONG = """
import fcntl, os, socket, struct
file = os.memfd_create("record", os.MFD_ALLOW_SEALING)
os.write(file, b"SYSLOG_IDENTIFIER={0}\\nMESSAGE\\n" + struct.pack("<Q", {1}) + b"x" * {1} + b"\\n")
fcntl.fcntl(file, 1033, 15)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
    journal.connect("/run/systemd/journal/socket")
    socket.send_fds(journal, [b""], [file])
"""


def test_a_long_record_arrives(prefecture: Prefecture) -> None:
    """One that rsyslog would cut keeps its beginning; of one too long for memory, the rest arrives."""
    marker = word()
    for length in (200_000, 2_000_000, 20_000_000):
        prefecture.do(PC, f"python3 -c '{LONG.format(marker, length)}'")
    prefecture.do(PC, f"logger -t {marker} after")

    def messages() -> list[Any]:
        return [one["MESSAGE"] for one in arrived(prefecture, marker) if one["SYSLOG_IDENTIFIER"] == marker]

    until(lambda: "after" in messages(), PATIENCE, "what follows them")
    told = [one.get("SEKISHO_SHORTENED") for one in arrived(prefecture, marker) if one["SYSLOG_IDENTIFIER"] == marker]
    assert [len(one or "") for one in messages()] == [200_000, 65_536, 0, 5]
    assert told == [None, ["MESSAGE"], ["fields of more than 4096 octets"], None]


def test_nothing_is_lost_while_the_collector_is_away(prefecture: Prefecture) -> None:
    """It is away; on the terminal all that takes part is killed, and the power goes, while lines are written."""
    marker, unit = word(), prefecture.do("collector", UNIT).strip()
    written = 0

    def write(number: int, *meanwhile: str) -> None:
        nonlocal written
        lines = f"seq -f '{marker} serial=%.0f' {written} {written + number - 1} | systemd-cat -t serial"
        prefecture.do(PC, f"{lines} & {' '.join(f'sleep 0.3; {one};' for one in meanwhile)} wait; journalctl --sync")
        written += number

    killed = [f"systemctl kill --kill-whom=main --signal=KILL {one}" for one in ("rsyslog", "sekisho-journal")]
    write(2000, *killed)
    prefecture.do("collector", f"systemctl stop {unit}")
    try:
        write(6000, *killed, *killed)
        prefecture.lab.power([PC], on=False)
        prefecture.lab.power([PC], on=True)
        until(lambda: prefecture.on(PC, "systemctl is-active sekisho-journal rsyslog")[0] == 0, 60, "it has started")
        write(6000, *killed)
        prefecture.at_desk(PC.upper())
    finally:
        prefecture.do("collector", f"systemctl start {unit}")
    write(1000, *killed)

    def serials() -> set[int]:
        found = (re.fullmatch(rf"{marker} serial=(\d+)", text(one)) for one in arrived(prefecture, marker))
        return {int(one[1]) for one in found if one}

    until(lambda: len(serials()) >= written, 3 * PATIENCE, f"{written} lines")
    assert serials() == set(range(written))


def test_what_has_arrived_is_removed_from_the_terminal(prefecture: Prefecture) -> None:
    marker, held = word(), f"cat {SEGMENTS}/*.ndjson | wc -c"
    line, batches = "x" * 1000, count()

    def write(number: int) -> None:
        last = f"'{marker}-{(batch := next(batches))} {number} '"
        prefecture.do(PC, f"seq -f '{marker}-{batch} %.0f {line}' {number} | systemd-cat -t bulk")
        until(lambda: arrived(prefecture, last), PATIENCE, "the last line")

    for _ in range(4):
        write(4000)

    def tidied() -> bool:
        write(1300)  # begins one more segment; what rsyslog has noted as sent by then is removed
        return int(prefecture.do(PC, held)) < 12 * 1024**2

    # 16,000 lines of some 1.8 kB were written. What is kept is what may be unacknowledged, and a segment or two.
    until(tidied, PATIENCE, "what has arrived is removed")


def test_a_second_run_changes_nothing(prefecture: Prefecture) -> None:
    words = ("--limit", f"{PC},pc-0010")
    nothing_done(play(prefecture, "log_shipping.yml", *words))
    nothing_done(play(prefecture, "log_shipping.yml", *words, "--check", "--diff"))


def test_check_mode_tells_what_has_drifted(prefecture: Prefecture) -> None:
    prefecture.do(
        PC, "echo '# by hand' >>/etc/rsyslog.conf; sed -i d /etc/ld.so.preload; systemctl stop sekisho-firewall-log"
    )
    expected = {
        (PC, "The log agent is configured"),
        (PC, "Restart the log agent"),
        (PC, "The library is loaded into every program"),
        (PC, "The log of the host firewall runs"),
    }
    told = play(prefecture, "log_shipping.yml", "--limit", PC, "--check", "--diff")
    assert (told.code, told.changed) == (0, expected)
    assert "by hand" in prefecture.do(PC, "cat /etc/rsyslog.conf")
    mended = play(prefecture, "log_shipping.yml", "--limit", PC)
    assert (mended.code, mended.changed) == (0, expected)


def test_the_playbook_itself_is_no_alert(prefecture: Prefecture) -> None:
    """What Ansible notes of its own doings names no file that rules take for an attack."""
    noted = prefecture.do(PC, "journalctl --no-pager -o cat | grep 'Invoked with'")
    assert "sekisho" in noted
    assert "ld.so.preload" not in noted
