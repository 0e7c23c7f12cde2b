"""The chain: every record signed, linked and kept; nothing half-written; every change found and named."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from sekisho.core.errors import Missing, Refused, SekishoError
from sekisho.core.state import State, open_state
from sekisho.evidence import keys
from sekisho.evidence.chain import GENESIS, Chain

SUBJECT = {"type": "terminal", "name": "PC-0001"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state", create=True)


def add(state: State, count: int, kind: str = "gate.result") -> None:
    chain = Chain(state)
    for number in range(count):
        with state.transaction() as tx:
            chain.append(tx, kind, SUBJECT, {"number": number, "why": "合格"})


def tamper(state: State, *statements: str) -> None:
    """Change the database behind sekisho's back, as someone with its file can."""
    with sqlite3.connect(state.path("sekisho.db")) as raw:
        raw.execute("DROP TRIGGER record_is_kept")
        raw.execute("DROP TRIGGER record_is_fixed")
        for statement in statements:
            raw.execute(statement)


def test_records_are_numbered_linked_and_read_back(state: State) -> None:
    add(state, 3)
    records = list(Chain(state).records())
    assert [one.seq for one in records] == [1, 2, 3]
    assert [one.previous for one in records] == [GENESIS, records[0].digest, records[1].digest]
    assert records[2].body == {"number": 2, "why": "合格"}
    assert Chain(state).verify() == Chain(state).head()
    assert Chain(state).digest_at(2) == records[1].digest
    assert Chain(state).digest_at(9) is None


def test_an_empty_chain_verifies(state: State) -> None:
    assert Chain(state).verify().length == 0


def test_a_record_is_a_statement_in_an_envelope(state: State) -> None:
    add(state, 1)
    (one,) = Chain(state).records()
    envelope = json.loads(one.envelope)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert list(envelope) == ["payload", "payloadType", "signatures"]


def test_the_signing_key_is_the_owners_only(state: State) -> None:
    add(state, 1)
    assert state.path("keys", "signer").stat().st_mode & 0o777 == 0o600
    assert state.path("keys").stat().st_mode & 0o777 == 0o700


def test_a_lost_key_is_not_replaced_in_silence(state: State) -> None:
    add(state, 1)
    state.path("keys", "signer").unlink()
    with pytest.raises(Missing, match=r"restore|not there"):
        add(state, 1)


def test_another_key_cannot_continue_the_chain(state: State) -> None:
    add(state, 1)
    for name in ("signer", "signer.pub"):
        state.path("keys", name).unlink()
    keys.generate(state.path("keys", "signer"))
    with pytest.raises(Refused, match="not the key"):
        add(state, 1)
    with pytest.raises(Refused, match="record 1"):
        Chain(state).verify()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM record WHERE seq = 2", "record 2"),
        ("DELETE FROM record WHERE seq = 1", "record 1"),
        ("UPDATE record SET kind = 'other' WHERE seq = 3", "record 3"),
        ("UPDATE record SET at = 'now' WHERE seq = 3", "record 3"),
        ("UPDATE record SET envelope = (SELECT envelope FROM record WHERE seq = 1) WHERE seq = 4", "record 4"),
        ("UPDATE record SET envelope = replace(CAST(envelope AS TEXT), 'A', 'B') WHERE seq = 2", None),
        (
            "UPDATE record SET envelope = CAST(replace(CAST(envelope AS TEXT), 'A', 'B') AS BLOB) WHERE seq = 2",
            "record 2",
        ),
    ],
)
def test_every_change_is_found_and_named(state: State, statement: str, named: str | None) -> None:
    add(state, 4)
    if named is None:  # the table is STRICT: text is no envelope
        with pytest.raises(sqlite3.IntegrityError):
            tamper(state, statement)
        return
    tamper(state, statement)
    with pytest.raises(SekishoError, match=named):
        Chain(state).verify()


def test_a_change_that_fails_leaves_no_record(state: State) -> None:
    def fail() -> None:
        with state.transaction() as tx:
            Chain(state).append(tx, "crossing.intent", SUBJECT, {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Chain(state).head().length == 0
    add(state, 1)
    assert Chain(state).verify().length == 1


def test_a_full_disk_is_told_and_changes_nothing(state: State) -> None:
    add(state, 2)
    before = Chain(state).head()
    pages = state.read("PRAGMA page_count")[0][0]
    state.read(f"PRAGMA max_page_count = {pages + 4}")

    def fill() -> None:
        with state.transaction() as tx:
            Chain(state).append(tx, "gate.result", SUBJECT, {"detail": "x" * 1_000_000})

    with pytest.raises(SekishoError, match="could not be written"):
        fill()
    assert Chain(state).verify() == before


def test_what_json_cannot_hold_is_refused(state: State) -> None:
    def append() -> None:
        with state.transaction() as tx:
            Chain(state).append(tx, "gate.result", SUBJECT, {"number": float("nan")})

    with pytest.raises(ValueError, match="JSON"):
        append()
    assert Chain(state).head().length == 0


def test_two_writers_make_one_chain(state: State) -> None:
    other = open_state(state.folder)
    for _ in range(3):
        add(state, 1)
        add(other, 1)
    assert Chain(state).verify().length == 6


def test_records_of_a_kind(state: State) -> None:
    add(state, 2, "auditor.added")
    add(state, 1, "gate.result")
    assert [one.seq for one in Chain(state).records(kind="auditor.*")] == [1, 2]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_while_appending(tmp_path: Path) -> None:
    """A real file system of 1 MiB: the append that no longer fits is told, and the chain goes on once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        state = open_state(disk / "state", create=True)
        add(state, 3)
        before = Chain(state).head()
        (disk / "filler").write_bytes(b"")
        with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        full = None
        for _ in range(100):  # what is left of the log's last page still takes a few
            try:
                add(state, 1)
            except SekishoError as error:
                full = error
                break
            before = Chain(state).head()
        assert full is not None
        assert "could not be written" in full.what
        assert Chain(state).verify() == before
        (disk / "filler").unlink()
        add(state, 1)
        assert Chain(state).verify().length == before.length + 1
        state.close()
    finally:
        subprocess.run(["umount", disk], check=True)
