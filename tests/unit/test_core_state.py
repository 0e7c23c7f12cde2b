"""The state folder: all of a transaction or none, and records that cannot be changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.core.state import State, open_state


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state", create=True)


_RECORD = "INSERT INTO record VALUES (1, 'k', 'now', '{}', x'00', 'd')"


def test_it_is_made_for_the_owner_only(state: State) -> None:
    assert state.folder.stat().st_mode & 0o077 == 0
    assert state.path("sekisho.db").stat().st_mode & 0o077 == 0


def test_a_folder_without_state_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        open_state(tmp_path)


def test_a_newer_version_is_refused(state: State) -> None:
    state.close()
    with sqlite3.connect(state.path("sekisho.db")) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(BadInput, match="newer"):
        open_state(state.folder)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sekisho.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(BadInput):
        open_state(tmp_path)


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def fail() -> None:
        with state.transaction() as tx:
            tx.run(_RECORD)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above
        fail()
    assert state.read("SELECT * FROM record") == []


def test_a_full_disk_is_told_and_leaves_nothing(state: State) -> None:
    state.read("PRAGMA max_page_count = 30")

    def fill() -> None:
        with state.transaction() as tx:
            tx.run(_RECORD.replace("x'00'", "randomblob(10000000)"))

    with pytest.raises(SekishoError, match="could not be written"):
        fill()
    assert state.read("SELECT * FROM record") == []


@pytest.mark.parametrize("statement", ["DELETE FROM record", "UPDATE record SET kind = 'other'"])
def test_a_record_is_never_changed_or_removed(state: State, statement: str) -> None:
    with state.transaction() as tx:
        tx.run(_RECORD)

    def tamper() -> None:
        with state.transaction() as tx:
            tx.run(statement)

    with pytest.raises(sqlite3.IntegrityError, match="records are never"):
        tamper()


def test_a_change_without_a_record_is_impossible(state: State) -> None:
    terminal = (
        "INSERT INTO terminal VALUES ('A',1,'a','m','staff','d','o','lgwan','lgwan','unplanned',NULL,NULL,NULL,'')"
    )

    def change() -> None:
        with state.transaction() as tx:
            tx.run(terminal)
            tx.run("INSERT INTO history VALUES (1,'A','now','who','why','unplanned','planned','lgwan',7)")

    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        change()


def test_a_counter_never_gives_a_number_twice(state: State) -> None:
    given = []
    for _ in range(3):
        with state.transaction() as tx:
            given.append(tx.next("lease"))
    assert given == [1, 2, 3]
