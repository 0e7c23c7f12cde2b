"""The kernel's audit: the records of one serial, in whatever order and pieces, are one start of a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.telemetry import ecs
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.formats import auditd
from sekisho.telemetry.formats.joined import AGE, Joiner
from sekisho.telemetry.ingest import Total
from starts import STARTED, audit, joined, take


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
