"""The log agent's table of processes, with real ones: a parent's program is told when it is sure, and never guessed."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sekisho_parents
from sekisho.telemetry import ecs
from sekisho.telemetry.formats import auditd, journal, process, snoopy
from sekisho.telemetry.formats.joined import Joiner
from sekisho_parents import Parents, Process

GONE = 2**22 - 3  # no process has this number here: it is near the highest that there can be
SLEEP = Path("/usr/bin/sleep")
BOOT = Parents().boot


def now() -> int:
    return time.monotonic_ns() // 1000


def line(pid: int, parent: int, file: str = "/bin/ls", *, at: int | None = None, **other: object) -> bytes:
    """A record of snoopy's, as the terminal's journal has it."""
    record = {
        "__CURSOR": f"s=1;i={pid}",
        "__REALTIME_TIMESTAMP": "1795489200000000",
        "__MONOTONIC_TIMESTAMP": str(at or now()),
        "_BOOT_ID": BOOT,
        "_HOSTNAME": "pc-0001",
        "_PID": str(pid),
        "_UID": "1000",
        "SYSLOG_IDENTIFIER": "snoopy",
        "MESSAGE": f"v1 pid={pid} ppid={parent} uid=1000 user=taro tty=(none) cwd=/home/taro//file={file}//cmd=x y",
        **other,
    }
    return orjson.dumps(record) + b"\n"


def told(parents: Parents, *lines: bytes) -> str | None:
    """What is added to the last of these."""
    for one in lines[:-1]:
        parents.beside(one)
    found = parents.beside(lines[-1])
    record = orjson.loads(found)
    parent = record.pop(sekisho_parents.FIELD, None)
    assert record == orjson.loads(lines[-1])
    assert found.endswith(b"}\n")
    return parent


@contextlib.contextmanager
def running(*argv: str | Path) -> Iterator[int]:
    """The number of a process that has become its program."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE)
    try:
        while Process(child.pid).name != Path(argv[0]).name[:15]:
            time.sleep(0.01)
        yield child.pid
    finally:
        child.kill()
        child.wait(10)


@pytest.fixture
def parents() -> Parents:
    return Parents()


def test_a_parent_is_known_by_its_own_start_also_when_it_is_gone(parents: Parents) -> None:
    assert told(parents, line(GONE, 1, "/bin/bash"), line(GONE + 1, GONE)) == "/bin/bash"
    assert told(parents, line(GONE, 1, "./it"), line(GONE + 1, GONE)) == "/home/taro/it"  # as its own event has it
    assert told(parents, line(GONE, 1, "/bin/dash"), line(GONE, 1, "/bin/zsh"), line(GONE + 1, GONE)) == "/bin/zsh"


def test_of_an_unknown_parent_nothing_is_told(parents: Parents) -> None:
    assert told(parents, line(GONE + 1, GONE)) is None
    assert told(parents, line(GONE + 1, 0)) is None


def test_a_parent_that_runs_was_there_before_the_agent() -> None:
    with running(SLEEP, "60") as pid:
        parents = Parents()
        assert told(parents, line(GONE, pid)) == str(SLEEP.resolve())
        assert told(parents, line(GONE, pid, at=Process(pid).began - 1_000_000)) is None  # before it began


def test_a_number_that_another_process_has_now_is_nobody_of_before() -> None:
    parents = Parents()
    with running(SLEEP, "60") as pid:
        long_ago = Process(pid).began - 5_000_000
        former = line(pid, 1, "/usr/bin/former", at=long_ago)
        assert told(parents, former, line(GONE, pid, at=long_ago + 1000)) == "/usr/bin/former"  # the child of that one
        assert told(parents, line(GONE, pid)) is None
        assert told(parents, line(GONE, pid)) == str(SLEEP.resolve())  # it was looked at meanwhile


def test_a_parent_that_became_another_program_unseen_is_not_told_as_what_it_was() -> None:
    """As `env` does: it becomes the program that it starts by `execvp`, which snoopy does not see."""
    parents = Parents()
    with running(SLEEP, "60") as pid:
        start = line(pid, 1, "/usr/local/bin/script")
        assert told(parents, start, line(GONE, pid)) is None
        assert told(parents, line(GONE, pid)) == str(SLEEP.resolve())
    assert told(parents, line(GONE, 1, "/usr/bin/env"), line(GONE + 1, GONE)) is None


def test_a_process_that_was_only_forked_is_what_its_forker_is(parents: Parents) -> None:
    """As a worker of a web server is, or a part of a shell in brackets."""
    with subprocess.Popen(["/bin/bash", "-c", "(read x; exit)"], stdin=subprocess.PIPE) as shell:
        forked = f"/proc/{shell.pid}/task/{shell.pid}/children"
        while not (children := Path(forked).read_text().split()):
            time.sleep(0.01)
        bash = str(Path("/bin/bash").resolve())
        assert told(parents, line(GONE, int(children[0]))) == bash
        assert shell.stdin is not None
        shell.stdin.close()
    # One that another program started in a way that nobody saw may just have become what it is now.
    with running(SLEEP, "60") as pid:
        assert told(parents, line(GONE, pid)) is None


def test_what_journald_saw_of_the_child_may_speak_against_a_parent_that_is_gone(parents: Parents) -> None:
    start = line(GONE, 1, "/bin/bash")
    assert told(parents, start, line(GONE + 1, GONE, _COMM="bash")) == "/bin/bash"
    assert told(parents, start, line(GONE + 1, GONE, _COMM="ls")) == "/bin/bash"
    assert told(parents, start, line(GONE + 1, GONE, _COMM="python3")) is None


def test_a_restart_of_the_machine_forgets_and_one_of_the_agent_looks_at_what_runs() -> None:
    parents, other = Parents(), "0" * 32
    with running(SLEEP, "60") as pid:
        assert told(parents, line(GONE, 1, "/bin/bash"), line(pid, GONE, str(SLEEP))) == "/bin/bash"
        assert told(Parents(), line(GONE + 1, pid)) == str(SLEEP.resolve())
        assert told(Parents(), line(GONE + 1, GONE)) is None
        assert told(parents, line(GONE + 1, GONE, _BOOT_ID=other)) is None
        assert told(parents, line(GONE + 1, pid, _BOOT_ID=other)) is None  # what runs now was not there then
        before = line(GONE + 1, 1, "/bin/zsh", _BOOT_ID=other)
        assert told(parents, before, line(GONE + 2, GONE + 1, _BOOT_ID=other)) == "/bin/zsh"
        assert told(parents, line(GONE + 2, GONE + 1)) is None


def test_what_is_remembered_is_bounded_and_a_parent_that_starts_others_is_not_forgotten(parents: Parents) -> None:
    parents.bound = 100
    kept = line(GONE, 1, "/bin/bash")
    parents.beside(kept)
    for number in range(GONE + 1, GONE + 1000):
        parents.beside(kept.replace(str(GONE).encode(), str(number).encode()).replace(b"ppid=1 ", b"ppid=%d " % GONE))
    assert len(parents.told) == 100
    assert told(parents, line(1, GONE)) == "/bin/bash"
    assert told(parents, line(2, GONE + 1)) is None


@pytest.mark.parametrize(
    "other", [{"_PID": "7"}, {"_UID": "0"}, {"SYSLOG_IDENTIFIER": "logger"}, {"MESSAGE": "pid=8 ppid=7"}]
)
def test_who_only_says_that_he_is_snoopy_makes_nobody_a_parent(parents: Parents, other: dict[str, str]) -> None:
    assert told(parents, line(GONE, 1, "/bin/bash", **other), line(GONE + 1, GONE)) is None
    assert told(parents, line(GONE, 1, "/bin/bash"), line(GONE + 1, GONE, **other)) is None


def test_the_event_has_the_parents_program(parents: Parents) -> None:
    parents.beside(line(GONE, 1, '/opt/ü "x\\/bash'))
    both = parents.beside(line(GONE + 1, GONE))
    start = journal.started(journal.of_record(orjson.loads(both), both))
    assert start is not None
    assert start.record["ParentImage"] == ecs.of(start.record).process__parent__executable == '/opt/ü "x\\/bash'
    alone = line(GONE + 1, GONE)
    start = journal.started(journal.of_record(orjson.loads(alone), alone))
    assert start is not None
    assert "ParentImage" not in start.record
    assert ecs.of(start.record).process__parent__executable is None


# The kernel's audit


def audit(pid: int, parent: int, exe: str, *, success: str = "yes", call: str = "59", **other: object) -> bytes:
    text = (
        f"node=pc-0001 type=SYSCALL msg=audit(1604994496.155:{pid}): arch=c000003e syscall={call} success={success}"
        f' ppid={parent} pid={pid} uid=0 comm="{Path(exe).name[:15]}" exe="{exe}"\x1dARCH=x86_64 SYSCALL=execve'
    )
    said = {"_PID": "9", "_UID": "0", "SYSLOG_IDENTIFIER": "audisp-syslog", "MESSAGE": text}
    return line(pid, parent, **said | other)


def test_the_audits_records_tell_parents_too(parents: Parents) -> None:
    assert told(parents, audit(GONE, 1, "/usr/bin/bash"), audit(GONE + 1, GONE, "/usr/bin/ls")) == "/usr/bin/bash"
    failed = audit(GONE, 1, "/usr/bin/zsh", success="no")
    assert told(parents, failed, audit(GONE + 1, GONE, "/usr/bin/ls")) == "/usr/bin/bash"
    opened = audit(GONE, 1, "/usr/bin/zsh", call="2")
    assert told(parents, opened, audit(GONE + 1, GONE, "/usr/bin/ls")) == "/usr/bin/bash"
    forged = audit(GONE, 1, "/usr/bin/zsh", _UID="1000")
    assert told(parents, forged, audit(GONE + 1, GONE, "/usr/bin/ls")) == "/usr/bin/bash"
    kernel = {"_TRANSPORT": "audit", "MESSAGE": f'SYSCALL arch=c000003e syscall=59 success=yes ppid=1 pid={GONE} '
              'comm="a b" exe=2F612062'}  # fmt: skip
    assert told(parents, line(GONE, 1, **kernel), audit(GONE + 1, GONE, "/usr/bin/ls")) == "/a b"


def test_a_start_that_the_audit_tells_has_the_parents_program(parents: Parents) -> None:
    parents.beside(audit(GONE, 1, "/usr/bin/bash"))
    both = parents.beside(audit(GONE + 1, GONE, "/usr/bin/ls"))
    inside = journal.audit(journal.of_record(orjson.loads(both), both))
    assert inside is not None
    joiner = Joiner[int]()
    joiner.add(inside, 1)
    end = auditd.parse(f"node=pc-0001 type=PROCTITLE msg={inside.event}: proctitle=6C73".encode())
    [start] = joiner.add(end, 2)
    assert start.found.record["ParentImage"] == "/usr/bin/bash"
    assert ecs.of(start.found.record).process__parent__executable == "/usr/bin/bash"


# Both sides


def test_the_terminal_and_the_store_call_the_field_the_same() -> None:
    assert process.PARENT == sekisho_parents.FIELD


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PATHS = st.sampled_from(
    ["/tmp//file=./x//cmd=", "///file=bin/ls//cmd=", "/a b//file=/c//d//cmd=", "[ERROR]//file=x//cmd="]
)


@given(st.text(max_size=40) | st.builds("v1 pid=8 ppid=7 uid=1000 cwd={}{}".format, PATHS, TEXT))
def test_the_terminal_reads_a_line_of_snoopy_as_the_store_does(message: str) -> None:
    record = {"_PID": "8", "_UID": "1000", "SYSLOG_IDENTIFIER": "snoopy", "MESSAGE": message}
    here, there = sekisho_parents.start(record), snoopy.read(message)
    if there is None or (there.pid, there.uid) != ("8", "1000") or not there.image:
        assert here is None
    else:
        assert here is not None
        assert (str(here.pid), str(here.parent), here.program) == (there.pid, there.parent, there.image)


VALUES = (
    st.none()
    | st.integers()
    | st.lists(st.integers(0, 300), max_size=4)
    | TEXT
    | st.sampled_from(
        [
            "v1 pid=8 ppid=7 uid=1000 cwd=/x//file=/y//cmd=",
            "SYSCALL pid=8 ppid=7 success=yes",
            "audit",
            "snoopy",
            "8",
            "1000",
        ]
    )
)
KEYS = ["MESSAGE", "_PID", "_UID", "_COMM", "_TRANSPORT", "SYSLOG_IDENTIFIER", "_BOOT_ID", "__MONOTONIC_TIMESTAMP"]
TABLE = Parents()


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_record_passes_unharmed(record: dict[str, Any]) -> None:
    raw = json.dumps({**record, "x": '"snoopy"'}).encode() + b"\n"
    found = json.loads(TABLE.beside(raw))
    found.pop(sekisho_parents.FIELD, None)
    assert found == json.loads(raw)


@pytest.mark.parametrize("raw", [b"", b"\n", b'"snoopy"\n', b'["snoopy"]\n', b'{"snoopy"\n', b'"snoopy"' * 1000])
def test_what_is_no_record_passes_as_it_is(raw: bytes) -> None:
    assert TABLE.beside(raw) == raw


@pytest.mark.parametrize("digits", [11, 100_000])
def test_a_number_that_no_process_has_is_none(parents: Parents, digits: int) -> None:
    """One of 5,000 digits would end the agent, with an error of Python's."""
    number = "9" * digits
    message = f"v1 pid=8 ppid={number} uid=1000 cwd=/x//file=/y//cmd="
    assert told(parents, line(8, 7, MESSAGE=message)) is None
    assert sekisho_parents.process(int("9" * 10)) is None


def test_a_program_that_was_removed_is_called_as_it_was(tmp_path: Path) -> None:
    copy = tmp_path / "tool"
    shutil.copy(SLEEP, copy)
    with running(copy, "60") as pid:
        copy.unlink()
        assert told(Parents(), line(GONE, pid)) == str(copy)
