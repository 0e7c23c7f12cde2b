"""Starts of processes: told in one way by snoopy and by the kernel's audit, and by nobody who only says so."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.telemetry import ecs
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.formats import auditd, journal, json_lines, snoopy, spool, syslog
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.formats.joined import AGE, Joined, Joiner
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search, Term
from sekisho.telemetry.workers import Workers

JAPAN = ZoneInfo("Asia/Tokyo")
ARRIVED = datetime(2026, 11, 24, tzinfo=UTC)
STARTED = Search([Term("derived_from", "*", negated=False, wild=True)])


def take(store: EmbeddedStore, *paths: Path) -> Total:
    with store.writing() as writer:
        return ingest(paths, writer, JAPAN, lambda _: None, Workers(0))


def audit(serial: int, command: str = "arp -a", *, node: str = "pc-0001", end: bool = True) -> list[bytes]:
    """The records of a start, as the kernel writes them."""
    words = command.split(" ")
    head, image = f"msg=audit(1604994496.155:{serial}):", f"/usr/sbin/{words[0]}"
    arguments = " ".join(f'a{number}="{word}"' for number, word in enumerate(words))
    some = [
        f'type=SYSCALL {head} arch=c000003e syscall=59 success=yes ppid=7 pid={serial} uid=0 exe="{image}"',
        f"type=EXECVE {head} argc={len(words)} {arguments}",
        f'type=CWD {head} cwd="/home/taro"',
        f'type=PATH {head} item=0 name="/usr/sbin/{words[0]}" inode=1',
        f"type=PROCTITLE {head} proctitle={command.replace(' ', chr(0)).encode().hex().upper()}",
    ]
    if end:
        some.append(f"type=EOE {head} ")
    return [f"node={node} {line}".encode() if node else line.encode() for line in some]


def joined(lines: Iterable[bytes], joiner: Joiner[bytes] | None = None) -> list[Joined[bytes]]:
    joiner = joiner or Joiner()
    return [one for line in lines for one in joiner.add(auditd.parse(line), line)]


# The kernel's audit


def test_the_records_of_a_serial_are_one_start() -> None:
    [one] = joined(audit(92733))
    assert one.found.record == {
        "derived_from": "audit(1604994496.155:92733)",
        "Provider": "auditd",
        "Hostname": "pc-0001",
        "Image": "/usr/sbin/arp",
        "CommandLine": "arp -a",
        "CurrentDirectory": "/home/taro",
        "User": "root",
        "ProcessId": "92733",
        "ParentProcessId": "7",
    }
    assert orjson.loads(one.found.source) == one.found.record
    assert one.found.time == 1604994496155000
    assert one.found.own == ("audit", "pc-0001", "1604994496155000", "92733", "process")
    fields = ecs.of(one.found.record)
    assert (fields.process__executable, fields.process__command_line, fields.host__name, fields.user__name) == (
        "/usr/sbin/arp",
        "arp -a",
        "pc-0001",
        "root",
    )


def test_a_long_argument_comes_in_pieces_that_cut_a_character_in_two() -> None:
    head = "node=h type=EXECVE msg=audit(1.000:7):"
    word = "関所 x".encode().hex().upper()
    lines = [
        f'{head} argc=3 a0="sh" a1_len=14 a1[0]={word[:8]}',
        f"{head} a1[1]={word[8:]}",
        f'{head} a2_len=4 a2[0]="ab" a2[1]="cd"',
        "node=h type=EOE msg=audit(1.000:7): ",
    ]
    [one] = joined(line.encode() for line in lines)
    assert one.found.record["CommandLine"] == "sh 関所 x abcd"
    assert auditd.parse(lines[2].encode()).fields["a2[1]"] == "cd"


def test_a_record_that_comes_twice_changes_nothing() -> None:
    lines = audit(7, "arp -a", end=False)
    [one] = joined([lines[0], lines[1], lines[1], *lines[2:]])
    assert one.found.record["CommandLine"] == "arp -a"


def test_names_that_auditd_added_are_the_user() -> None:
    lines = audit(7)
    lines[0] = lines[0].replace(b"uid=0", b"uid=1000") + b'\x1dARCH=x86_64 SYSCALL=execve AUID="taro" UID="taro"'
    [one] = joined(lines)
    assert one.found.record["User"] == "taro"


@pytest.mark.parametrize(
    ("change", "starts"),
    [
        (lambda lines: [lines[0].replace(b"success=yes", b"success=no"), *lines[1:]], 0),
        (lambda lines: [lines[0].replace(b"syscall=59", b"syscall=2"), *lines[2:]], 0),
        (lambda lines: [lines[0], *lines[2:]], 1),  # then the title tells the command line
        (lambda lines: lines[1:], 1),
        (lambda lines: lines[2:], 0),
    ],
    ids=["that failed", "of another call", "without arguments", "without its call", "with neither"],
)
def test_only_a_start_is_one(change: Callable[[list[bytes]], list[bytes]], starts: int) -> None:
    found = joined(change(audit(7)))
    assert [one.found.record["CommandLine"] for one in found] == ["arp -a"] * starts


@given(st.data())
def test_records_of_several_serials_in_any_order_give_the_same_starts(data: st.DataObject) -> None:
    serials = [audit(n, f"p{n} x", node=f"h{n % 2}", end=n % 3 > 0) for n in range(data.draw(st.integers(1, 8)))]
    queues = [list(some) for some in serials]
    mixed = []
    while any(queues):
        queue = data.draw(st.sampled_from([some for some in queues if some]))
        mixed.append(queue.pop(0))
    joiner: Joiner[bytes] = Joiner()
    found = joined(mixed, joiner)
    assert not joiner.rest()
    key = lambda one: one.found.source  # noqa: E731
    assert sorted(found, key=key) == sorted((one for some in serials for one in joined(some)), key=key)


def test_what_is_not_told_to_its_end_is_not_waited_for_long() -> None:
    joiner: Joiner[bytes] = Joiner()
    first, second = (auditd.parse(audit(n)[0]) for n in (1, 2))
    assert not joiner.add(first, b"first", at=5)
    assert not joiner.aged(AGE + 4)
    assert [one.first for one in joiner.add(second, b"second", at=AGE + 5)] == [b"first"]
    assert joiner.oldest() == b"second"
    assert [one.first for one in joiner.rest()] == [b"second"]
    assert joiner.oldest() is None


def test_what_is_held_is_bounded() -> None:
    joiner: Joiner[int] = Joiner()
    found = [one for n in range(5000) for one in joiner.add(auditd.parse(audit(n)[0]), n)]
    assert [one.first for one in found] == list(range(5000 - 1024))
    line = b"node=h type=EXECVE msg=audit(1.000:7): " + b" ".join(b'a%d="%s"' % (n, b"x" * 100_000) for n in range(40))
    some: Joiner[int] = Joiner()
    assert len([one for n in range(40) for one in some.add(auditd.parse(line), n)]) == 13  # each of three, about 8 MiB


def test_starts_of_an_audit_log_stand_beside_its_records_once(tmp_path: Path) -> None:
    lines = [line for n in range(50) for line in audit(n, f"p{n}")]
    path, store = tmp_path / "audit.log", EmbeddedStore(tmp_path / "events")
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert take(store, path) == Total(350, 0, 0)
    assert take(store, path) == Total(0, 350, 0)
    assert store.count(STARTED) == 50


def test_a_start_whose_end_is_not_in_the_file_is_one_event_also_when_the_file_has_grown(tmp_path: Path) -> None:
    for node in ("pc-0001", ""):
        path, store = tmp_path / "audit.log", EmbeddedStore(tmp_path / f"events{node}")
        lines = audit(7, node=node)
        path.write_bytes(b"\n".join(lines[:3]) + b"\n")
        assert take(store, path) == Total(4, 0, 0)
        path.write_bytes(b"\n".join(lines) + b"\n")
        assert take(store, path).new == 3
        assert store.count(STARTED) == 1


# The journal


MESSAGE = "v1 pid=8 ppid=7 uid=1000 euid=1000 user=taro tty=pts/0 cwd=/home/taro//file=/bin/ls//cmd=ls -l a b"


def journald(message: object, **other: object) -> dict[str, Any]:
    return {
        "__CURSOR": "s=1;i=2",
        "__REALTIME_TIMESTAMP": "1795489200000000",
        "_HOSTNAME": "pc-0001",
        "_PID": "8",
        "_UID": "1000",
        "SYSLOG_IDENTIFIER": "snoopy",
        "MESSAGE": message,
        **other,
    }


def started(record: dict[str, Any]) -> dict[str, Any] | None:
    found = journal.started(journal.of_record(record, b""))
    return found.record if found else None


def test_a_line_of_snoopy_is_a_start_beside_the_record_of_the_journal(tmp_path: Path) -> None:
    path, store = tmp_path / "journal.json", EmbeddedStore(tmp_path / "events")
    path.write_bytes(orjson.dumps(journald(MESSAGE)) + b"\n")
    assert take(store, path) == Total(2, 0, 0)
    assert take(store, path) == Total(0, 2, 0)
    [start] = store.search(STARTED)
    assert orjson.loads(start.source) == {
        "derived_from": "s=1;i=2",
        "Provider": "snoopy",
        "Hostname": "pc-0001",
        "Image": "/bin/ls",
        "CommandLine": "ls -l a b",
        "CurrentDirectory": "/home/taro",
        "User": "taro",
        "ProcessId": "8",
        "ParentProcessId": "7",
    }
    assert start.time == 1795489200000000
    [whole] = store.search(Search([Term("MESSAGE", "v1*", negated=False, wild=True)]))
    assert orjson.loads(whole.source) == journald(MESSAGE)


@pytest.mark.parametrize(
    ("paths", "cwd", "image", "command"),
    [
        ("/tmp//file=/bin/ls//cmd=ls", "/tmp", "/bin/ls", "ls"),
        ("///file=/bin/ls//cmd=ls", "/", "/bin/ls", "ls"),
        ("/a b cwd=/x//file=./p q//cmd=p q //cmd=r //file=s", "/a b cwd=/x", "/a b cwd=/x/p q", "p q //cmd=r //file=s"),
        ("///file=bin/ls//cmd=\n\n", "/", "/bin/ls", "\n\n"),
        ("/a//file=/t/x//cmd=/y//cmd=z", "/a", "/t/x", "/y//cmd=z"),
        ("[ERROR: Data source 'cwd' failed]//file=ls//cmd=ls", None, "ls", "ls"),
        ("/tmp//file=/bin/ls//cmd=", "/tmp", "/bin/ls", None),
    ],
)
def test_paths_with_blanks_and_marks_are_told_apart(
    paths: str, cwd: str | None, image: str, command: str | None
) -> None:
    record = started(journald(f"pid=8 ppid=7 uid=1000 cwd={paths}"))
    assert record is not None
    assert [record.get(key) for key in ("CurrentDirectory", "Image", "CommandLine")] == [cwd, image, command]
    assert "User" not in record


PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.rglob("snoopy.ini*")), ids=lambda path: path.name)
def test_the_format_that_the_playbook_sets_is_the_one_that_is_read(path: Path) -> None:
    [form] = re.findall(r'^message_format = "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    values = {
        "pid": "8",
        "ppid": "7",
        "uid": "0",
        "cwd": "/a |cmdline| b",
        "filename": "/bin/ls",
        "cmdline": "ls //cmd=c",
    }
    call = snoopy.read(re.sub(r"%\{(\w+)\}", lambda source: values.get(source[1], "x"), form))
    assert call is not None
    assert (call.pid, call.parent, call.uid, call.cwd, call.image, call.command_line) == tuple(
        values[key] for key in ("pid", "ppid", "uid", "cwd", "filename", "cmdline")
    )


@pytest.mark.parametrize(
    "record",
    [
        journald(MESSAGE, _PID="9"),
        journald(MESSAGE, _UID="0"),
        journald(MESSAGE, _UID=None),
        journald(MESSAGE, SYSLOG_IDENTIFIER="logger"),
        journald(MESSAGE, __CURSOR=7),
        journald("pid=8 uid=1000 cwd=/tmp//file=/bin/ls//cmd=ls"),
        journald("pid=8 ppid=7 uid=1000 cwd=/tmp file=/bin/ls cmd=ls"),
        journald("hello"),
        journald(None),
    ],
)
def test_who_only_says_that_he_is_snoopy_is_not_believed(record: dict[str, Any]) -> None:
    assert started(record) is None


def test_octets_that_are_no_text_are_read_for_search_and_stay_as_they_came() -> None:
    record = journald(list(MESSAGE.encode() + b"\xff"), _EXE="/usr/bin/bash")
    found = journal.of_record(record, orjson.dumps(record))
    assert orjson.loads(found.source)["MESSAGE"][-1] == 255
    start = journal.started(found)
    assert start is not None
    assert start.record["CommandLine"] == "ls -l a b\ufffd"
    assert journal.text([]) is None
    assert journal.text(["a", "b"]) == "a"
    assert journal.text([1, 256]) is None
    assert ecs.of(record).process__executable == "/usr/bin/bash"


def test_audit_records_come_through_the_journal_from_the_kernel_and_from_root() -> None:
    line = audit(7)[0].decode()
    by_root = journal.audit(journal.of_record(journald(line, _UID="0", SYSLOG_IDENTIFIER="audisp-syslog"), b""))
    rest = line.split(": ", 1)[1]
    by_kernel = journal.audit(
        journal.of_record(
            journald(
                f"SYSCALL {rest}",
                _TRANSPORT="audit",
                _AUDIT_ID="7",
                _SOURCE_REALTIME_TIMESTAMP="1604994496155000",
            ),
            b"",
        )
    )
    assert by_root is not None
    assert by_root == by_kernel == auditd.parse(line.encode())
    assert journal.audit(journal.of_record(journald(line), b"")) is None  # anybody could write that
    assert journal.audit(journal.of_record(journald("SYSCALL a=1", _TRANSPORT="audit"), b"")) is None


def test_audit_records_in_the_journal_are_joined(tmp_path: Path) -> None:
    path, store = tmp_path / "journal.json", EmbeddedStore(tmp_path / "events")
    lines = [journald(line.decode(), _UID="0", __CURSOR=f"c{n}") for n, line in enumerate(audit(7, node=""))]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    assert take(store, path) == Total(7, 0, 0)
    [start] = store.search(STARTED)
    assert start.ecs.host__name == "pc-0001"
    [call] = store.search(Search([Term("type", "SYSCALL", negated=False, wild=False)]))
    assert orjson.loads(call.source)["exe"] == "/usr/sbin/arp"


def test_a_packet_of_the_host_firewall_has_its_fields_beside_the_record_of_the_journal() -> None:
    packet = {"timestamp": "2026-11-24T11:00:00.5+0900", "oob.prefix": "dropped ", "src_ip": "10.0.0.1",
              "dest_ip": "10.0.0.2", "src_port": 5, "dest_port": 443, "_UID": "0"}  # fmt: skip
    record = journald(json.dumps(packet), SYSLOG_IDENTIFIER="sekisho-firewall")
    assert "src_ip" not in journal.of_record(record, b"{}").record  # of another unit: anybody could write that
    found = journal.of_record(record | {"_SYSTEMD_UNIT": "sekisho-firewall-log.service"}, b"{}")
    assert orjson.loads(found.source) == found.record
    deep = b'{"__CURSOR":"c","_SYSTEMD_UNIT":"ulogd2.service","MESSAGE":"{\\"oob.prefix\\":1}","x":%b%b}'
    line = deep % (b"[" * 500, b"]" * 500)
    assert json_lines.read(line, JAPAN).source == line
    assert (found.record["dest_port"], found.record["_UID"]) == (443, "1000")
    fields = ecs.of(found.record)
    assert (fields.event__action, fields.source__ip, fields.destination__ip) == ("dropped", "10.0.0.1", "10.0.0.2")
    assert (fields.destination__port, fields.host__name) == ("443", "pc-0001")
    alone = json_lines.read(orjson.dumps(packet), JAPAN)
    assert alone.time == 1795485600500000
    assert ecs.of(alone.record).source__port == "5"


def test_sudo_tells_who_ran_what() -> None:
    record = journald("    taro : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id", SYSLOG_IDENTIFIER="sudo")
    fields = ecs.of(record)
    assert (fields.user__name, fields.process__command_line, fields.event__provider) == ("taro", "/usr/bin/id", "sudo")


# Hostile input


HOSTILE = [
    "a" * 1_000_000,
    "a-" * 500_000,
    "a=" * 500_000,
    'a="' * 300_000,
    "a='" * 333_333,
    "a[0" * 333_333,
    "[a\\]" * 250_000,
    "(" * 1_000_000,
    " " * 1_000_000,
    " : " * 333_333,
    "COMMAND" * 150_000,
    "x=y " * 250_000,
    "//" * 500_000,
    "//file=" * 150_000,
    "0A" * 500_000,
    "1" * 1_000_000,
]


HEADS = [
    b"",
    b"type=EXECVE msg=audit(1.000:7): ",
    b"type=SYSCALL msg=audit(1.000:7): msg='",
    b"<13>1 - - - - - [",
    b"<13>Nov 24 11:00:00 ",
    b"2026-11-24T11:00:00Z h ",
    b"node=",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:4]!r}")
def test_a_megabyte_of_anything_is_read_in_no_time(text: str) -> None:
    began = time.monotonic()
    line = text.encode()
    for head in HEADS:
        for read in (_audit, _syslog):
            read(head + line)
    for start in ("", "pid=8 ppid=7 uid=1000 ", "pid=8 ppid=7 uid=1000 cwd=", "taro : "):
        snoopy.read(start + text)
        ecs.of(journald(start + text, SYSLOG_IDENTIFIER="sudo"))
        journal.audit(journal.of_record(journald(start + text, _TRANSPORT="audit"), b""))
    for start in ("", '<13>1 - - - - - [place@32473 file="', "<13>1 - - - - - ["):
        spool.read(orjson.dumps({"at": 1, "peer": "p", "via": "relp", "raw": start + text}))
    assert time.monotonic() - began < 60  # what is not linear takes hours


def _audit(line: bytes) -> None:
    try:
        record = auditd.parse(line)
    except NotARecord:
        return
    Joiner[int]().add(record, 1)


def _syslog(line: bytes) -> None:
    try:
        syslog.read(line, JAPAN, ARRIVED)
    except NotARecord:
        return


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from([MESSAGE, "audit", "0", "8", "1000"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
FIELDS = [
    *("__CURSOR", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "_TRANSPORT", "_AUDIT_ID", "_UID", "_PID"),
    *("_HOSTNAME", "SYSLOG_IDENTIFIER", "MESSAGE", "_SYSTEMD_UNIT", "derived_from", "oob.prefix", "src_ip", "Image"),
]


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_any_record_of_the_journal_is_read(record: dict[str, Any]) -> None:
    found = json_lines.of_record(record, b"{}", JAPAN)
    inside = journal.audit(found)
    results = [found, journal.started(found), journal.audited(found, inside) if inside else None]
    for one in results:
        if isinstance(one, Found):
            assert all(value is None or isinstance(value, str) for value in ecs.of(one.record))
            assert one.time is None or isinstance(one.time, int)
    if inside:
        Joiner[int]().add(inside, 1)


@given(st.text(max_size=80), st.sampled_from(["SYSCALL", "EXECVE", "CWD", "PROCTITLE", "EOE", "USER_CMD"]))
def test_any_text_of_an_audit_record_is_read(text: str, kind: str) -> None:
    lines = [f"type={kind} msg=audit(1.000:7): arch=c000003e syscall=59 {text}", "type=EOE msg=audit(1.000:7): "]
    for one in joined(line.encode(errors="replace") for line in lines):
        assert isinstance(orjson.loads(one.found.source), dict)


@given(st.text(max_size=60))
def test_any_text_is_a_call_or_none(text: str) -> None:
    snoopy.read(text)
    found = snoopy.read(f"pid=1 ppid=2 uid=3 cwd=/{text.replace('/', '')}//file=/x//cmd={text}")
    assert found is not None
    assert (found.cwd, found.image, found.command_line) == (f"/{text.replace('/', '')}", "/x", text)
