"""The state folder: one database, keys, runs. Every command is told which by `--state` or `SEKISHO_STATE`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.core.schema import SCHEMA, VERSION

_PATIENCE = 20.0  # seconds that a writer waits for another


class Transaction:
    """Proof that a write transaction is open: whatever writes asks for one. Made only by `State.transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement inside the transaction."""
        return self._connection.execute(sql, values)

    def next(self, counter: str) -> int:
        """The counter's next value; never given twice, even if the transaction's work is undone by hand later."""
        row = self.run("UPDATE counter SET value = value + 1 WHERE name = ? RETURNING value", (counter,)).fetchone()
        return int(row[0])


class State:
    """An open state folder."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A write transaction: all of it is kept, durably, or none of it.

        Raises:
            Missing: the database is locked for long, or the disk is full; nothing was changed.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection)
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()
        except sqlite3.IntegrityError:
            raise  # a fault of the program, not of the disk
        except sqlite3.DatabaseError as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise Missing(
                Both(
                    f"{self.folder} に記録できない ({both(str(error)).ja})",
                    f"the state in {self.folder} could not be written: {error}",
                ),
                Both(
                    "何も変更していない。空き容量を確保するか、他の命令が終わるのを待って、もう一度実行する",
                    "nothing was changed; free disk space, or wait for the other command, and run it again",
                ),
            ) from error

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows that a query answers.

        Raises:
            BadInput: the database is damaged.
        """
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _unreadable(self.folder / "sekisho.db", str(error)) from error

    def path(self, *parts: str) -> Path:
        """A path inside the state folder."""
        return self.folder.joinpath(*parts)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def open_state(folder: Path, *, create: bool = False) -> State:
    """Open the state folder; `create` makes it when it is not there (0700).

    Raises:
        Missing: there is no state and `create` is false, or it cannot be opened for writing.
        BadInput: it is of a newer version, or not a database.
    """
    file = folder / "sekisho.db"
    if not create and not _there(file):
        raise Missing(
            Both(f"{folder} に台帳がない", f"there is no state in {folder}"),
            Both(
                "先に `sekisho fleet import` を実行するか、--state でフォルダを指定する",
                "run `sekisho fleet import` first, or name the folder by --state",
            ),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, file)
        file.chmod(0o600)
    except sqlite3.OperationalError as error:
        raise _closed(folder, str(error)) from error
    except sqlite3.Error as error:
        raise _unreadable(file, str(error)) from error
    except OSError as error:
        raise _closed(folder, str(error.strerror)) from error
    return State(folder, connection)


def _there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:
        raise _closed(file.parent, str(error.strerror)) from error


def _closed(folder: Path, what: str) -> Missing:
    return Missing(
        Both(f"{folder} を開けない ({both(what).ja})", f"{folder} cannot be opened: {what}"),
        Both(
            "フォルダの所有者・権限・空き容量を確認する(sekishoは管理者権限で実行する)",
            "check the folder's owner, rights and free space; sekisho runs as root",
        ),
    )


def _unreadable(file: Path, what: str) -> BadInput:
    return BadInput(
        Both(f"{file}: 読めない ({both(what).ja})", f"{file}: {what}"),
        Both(
            "--state で別のフォルダを指定するか、控えから復元する",
            "name another folder by --state, or restore this one from its backup",
        ),
    )


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two commands that start at once must not both create
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        for statement in _statements(SCHEMA):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.commit()
    if version > VERSION:
        raise BadInput(
            Both(
                f"{file} は新しい版のsekishoが書いたもの(形式{version})",
                f"{file} was written by a newer sekisho (version {version})",
            ),
            Both("その版を使う", "use that one"),
        )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit before it starts."""
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
