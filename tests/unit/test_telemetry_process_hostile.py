"""Text of a process that was made to do harm: read in no time, or refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.telemetry import ecs
from sekisho.telemetry.formats import auditd, journal, json_lines, snoopy, spool, syslog
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.formats.joined import Joiner
from starts import JAPAN, MESSAGE, joined, journald

ARRIVED = datetime(2026, 11, 24, tzinfo=UTC)
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
