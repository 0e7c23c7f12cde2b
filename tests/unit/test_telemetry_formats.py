"""Formats: what a record says of itself, and that no input is read wrongly, lost in silence, or the end of the rest."""

from __future__ import annotations

import io
import json
import os
import zipfile
from contextlib import suppress
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
from sekisho.telemetry.event import Ecs, moment
from sekisho.telemetry.formats import auditd, evtx, syslog
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search, Term
from sekisho.telemetry.reading import Clock, Memory, Piece, in_block, of_broken
from sekisho.telemetry.stream import Broken, Chunks, blocks
from sekisho.telemetry.workers import Workers

JAPAN = ZoneInfo("Asia/Tokyo")
CLOCK = Clock(JAPAN, datetime(2026, 11, 24, 3, tzinfo=UTC))
CORPORA = Path(os.environ.get("SEKISHO_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))
corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here (SEKISHO_CORPORA)")


def read(data: bytes) -> list[Piece]:
    chunks, memory = Chunks(io.BytesIO(data)), Memory()
    found: list[Piece] = []
    for block in blocks(chunks):
        found += [of_broken(block)] if isinstance(block, Broken) else in_block(block, memory, CLOCK)
    return found


def event_log(data: bytes) -> list[Found | NotARecord]:
    file = io.BytesIO(data)
    return list(evtx.records(Chunks(file).head, file))


def when(found: Found) -> str | None:
    return None if found.time is None else moment(found.time).isoformat()


# The Linux audit log


def audit(line: str) -> Found:
    return auditd.Reader().read(auditd.parse(line.encode()))


def test_an_audit_record_keeps_its_keys_and_its_encoded_values_are_decoded() -> None:
    found = audit(
        "node=pc-0001 type=SYSCALL msg=audit(1604994496.155:92733): arch=c000003e syscall=59 a0=558e251634a0"
        ' items=2 ppid=2 pid=1631 auid=1000 comm=61207020 exe="/usr/sbin/arp" key=(null) cwd="/a b"'
    )
    assert found.record["a0"] == "558e251634a0"  # of a system call it is a number, and no text in hexadecimal
    assert {key: found.record[key] for key in ("node", "type", "syscall", "comm", "exe", "key", "cwd")} == {
        "node": "pc-0001",
        "type": "SYSCALL",
        "syscall": "59",
        "comm": "a p ",
        "exe": "/usr/sbin/arp",
        "key": "(null)",
        "cwd": "/a b",
    }
    assert when(found) == "2020-11-10T07:48:16.155000+00:00"
    assert found.own == ("audit", "pc-0001", "1604994496155000", "92733", "0")
    assert orjson.loads(found.source) == found.record


def test_arguments_of_a_program_are_decoded() -> None:
    found = audit('type=EXECVE msg=audit(1604994496.155:7): argc=3 a0="sh" a1="-c" a2=6563686F202261206222')
    assert found.record["a2"] == 'echo "a b"'
    assert ecs.of(found.record).process__command_line == 'sh -c echo "a b"'
    assert audit("type=PROCTITLE msg=audit(1.000:7): proctitle=617270002D61").record["proctitle"] == "arp -a"


def test_a_message_of_a_program_has_its_pairs_inside() -> None:
    found = audit(
        'type=USER_AUTH msg=audit(1.000:7): pid=5 uid=0 msg=\'op=PAM:authentication acct="taro" exe="/usr/bin/sudo"'
        " hostname=? addr=192.0.2.7 res=failed'"
    )
    assert (found.record["acct"], found.record["res"], found.record["pid"]) == ("taro", "failed", "5")
    assert ecs.of(found.record).source__ip == "192.0.2.7"


def test_records_of_one_serial_are_told_apart_also_when_others_come_between() -> None:
    reader = auditd.Reader()
    line = "node=h type=PATH msg=audit(1.000:%d): item=0"
    numbers = [reader.read(auditd.parse((line % serial).encode())).own for serial in (7, 8, 7, 8, 7)]
    assert [own[3:] for own in numbers if own] == [("7", "0"), ("8", "0"), ("7", "1"), ("8", "1"), ("7", "2")]
    assert audit("type=CWD msg=audit(1.000:7): cwd=x").own is None  # of which host, nobody knows


# Syslog


NOON = "2026-11-24T02:00:00+00:00"  # at 11 o'clock in Japan


@pytest.mark.parametrize(
    ("line", "time", "host", "program", "pid", "message"),
    [
        ("Nov 24 11:00:00 pc sudo[77]: taro : TTY=pts/0", NOON, "pc", "sudo", "77", "taro : TTY=pts/0"),
        ("<38>Nov  4 11:00:00 pc sshd: hi", "2026-11-04T02:00:00+00:00", "pc", "sshd", None, "hi"),
        ("Dec 31 23:00:00 pc cron: x", "2025-12-31T14:00:00+00:00", "pc", "cron", None, "x"),
        ("2026-11-24T11:00:00.5+09:00 pc a[1]: b", "2026-11-24T02:00:00.500000+00:00", "pc", "a", "1", "b"),
        ("2026-11-24T11:00:00 pc a: b", NOON, "pc", "a", None, "b"),
        ('<165>1 2026-11-24T02:00:00Z h app 9 ID [x@1 a="\\]"] m n', NOON, "h", "app", "9", "m n"),
        ("<165>1 - - - - - -", None, None, None, None, None),
    ],
)
def test_lines_of_syslog(
    line: str, time: str | None, host: str | None, program: str | None, pid: str | None, message: str | None
) -> None:
    found = syslog.read(line.encode(), JAPAN, CLOCK.arrived)
    assert when(found) == time
    assert [found.record.get(key) for key in ("host", "program", "pid", "message")] == [host, program, pid, message]


def test_the_29th_of_february_is_of_a_year_that_has_it() -> None:
    line = b"Feb 29 00:00:00 h p: m"
    assert when(syslog.read(line, UTC, datetime(2029, 1, 5, tzinfo=UTC))) == "2028-02-29T00:00:00+00:00"
    assert syslog.read(line, UTC, datetime(2027, 5, 5, tzinfo=UTC)).time is None


# Windows


def test_winlogbeat_and_evtx_tell_of_the_same_record() -> None:
    beat = {
        "@timestamp": "2026-04-20T10:00:35.646Z",
        "winlog": {"computer_name": "PC", "channel": "Security", "record_id": 5, "event_id": "4688",
                   "event_data": {"NewProcessName": "C:\\a.exe", "SubjectUserName": "taro"}},
    }  # fmt: skip
    event = {
        "System": {"Computer": "pc", "Channel": "Security", "EventRecordID": 5, "EventID": {"#text": 4688},
                   "TimeCreated": {"#attributes": {"SystemTime": "2026-04-20T10:00:35.646624Z"}}},
        "EventData": {"NewProcessName": "C:\\a.exe", "SubjectUserName": "taro"},
    }  # fmt: skip
    [first, second] = read(orjson.dumps(beat) + b"\n" + orjson.dumps({"Event": event}))
    assert isinstance(first.what, Found)
    assert isinstance(second.what, Found)
    assert first.what.own == second.what.own is not None
    same = Ecs._fields.index("host__name")
    one, two = ecs.of(first.what.record), ecs.of(second.what.record)
    assert one[:same] == two[:same]
    assert (
        (one.process__executable, one.user__name) == ("C:\\a.exe", "taro") == (two.process__executable, two.user__name)
    )


@corpora
def test_an_event_log_file_tells_what_its_json_tells(tmp_path: Path) -> None:
    compared = 0
    for path in sorted((CORPORA / "regression").rglob("*.evtx")):
        beside = path.with_suffix(".json")
        found = event_log(path.read_bytes())
        assert all(isinstance(one, Found) for one in found), path
        text = beside.read_text(encoding="utf-8") if beside.exists() else ""
        with suppress(ValueError):  # some hold several documents
            wanted = json.loads(text)
            if len(found) == 1:
                assert isinstance(found[0], Found)
                assert _plain(found[0].record) == _plain(wanted), path
                compared += 1
    assert compared > 50


def _plain(record: Any) -> Any:
    """Number and data of a record; the JSON beside some files has lost blanks at the end of a value."""
    data = record["Event"].get("EventData") or {}
    stripped = {key: value.rstrip() if isinstance(value, str) else value for key, value in data.items()}
    return record["Event"]["System"]["EventRecordID"], stripped


@corpora
def test_every_recording_is_read_to_its_last_line(tmp_path: Path) -> None:
    recordings = sorted((CORPORA / "otrf").rglob("*.zip"))
    store = EmbeddedStore(tmp_path / "events")
    with store.writing() as writer:
        added = ingest(recordings, writer, JAPAN, lambda _: None, Workers())
    total = 0
    for path in recordings:
        with zipfile.ZipFile(path) as archive:
            total += sum(1 for name in archive.namelist() for line in archive.read(name).split(b"\n") if line.strip())
    started = store.count(
        Search([Term("derived_from", "*", negated=False, wild=True)])
    )  # of audit records, beside them
    assert started == 2
    assert added.new + added.known + added.rejected == total + started
    # What a Mac added to four of the archives is no log; two of these files are the same.
    assert (added.known, added.rejected) == (1, 3)
    assert store.count(Search()) == added.new


# Hostile input


@pytest.mark.parametrize("cut", [10, 4096, 5000, 60_000])
def test_an_event_log_that_was_cut_off_says_so(cut: int) -> None:
    header = b"ElfFile\0" + bytes(34) + (1).to_bytes(2, "little") + bytes(4096 - 44)
    found = event_log((header + bytes(65536))[: max(cut, 44)])
    assert "the event log is cut off" in map(str, found)


@given(st.binary(max_size=3000).map(lambda junk: b"ElfFile\0" + junk))
def test_no_event_log_ends_the_program(data: bytes) -> None:
    assert all(isinstance(one, NotARecord | Found) for one in event_log(data))


KEYS = ["winlog", "Event", "System", "EventData", "@timestamp", "RecordNumber", "msg", "program"]
LINES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode(errors="replace")),
    st.text(max_size=60).map(lambda text: f"type=EXECVE msg=audit(1.000:7): a0={text}".encode(errors="replace")),
    st.text(max_size=60).map(lambda text: f"<13>Nov 24 11:00:00 {text}".encode(errors="replace")),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    ).map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(LINES, max_size=8))
def test_any_line_is_a_record_or_set_aside_with_a_reason(some: list[bytes]) -> None:
    data = b"\n".join(some)
    found = read(data)
    wanted = [line.rstrip(b"\r") for line in data.split(b"\n")]
    assert [piece.raw for piece in found] == [line for line in wanted if line]
    for piece in found:
        if isinstance(piece.what, Found):
            assert isinstance(orjson.loads(piece.what.source), dict)
            assert all(value is None or isinstance(value, str) for value in ecs.of(piece.what.record))
        else:
            assert piece.what


def test_nothing_is_a_record() -> None:
    with pytest.raises(NotARecord):
        auditd.parse(b"type=")
    with pytest.raises(NotARecord):
        syslog.read(b"hello", UTC, CLOCK.arrived)


def test_a_store_takes_all_formats(tmp_path: Path) -> None:
    path = tmp_path / "mixed.log"
    path.write_bytes(
        b'{"a":1}\ntype=CWD msg=audit(1604994496.155:92733): cwd="/home"\nNov 24 11:00:00 pc-0001 sudo: taro\nhello\n'
    )
    store = EmbeddedStore(tmp_path / "events")
    with store.writing() as writer:
        assert ingest([path], writer, JAPAN, lambda _: None, Workers(0)) == Total(3, 0, 1)
