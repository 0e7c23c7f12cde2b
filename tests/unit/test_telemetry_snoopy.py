"""Starts that snoopy tells of, and nobody who only says that he is snoopy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.formats import journal, snoopy
from sekisho.telemetry.ingest import Total
from sekisho.telemetry.query import Search, Term
from starts import MESSAGE, STARTED, journald, take


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
