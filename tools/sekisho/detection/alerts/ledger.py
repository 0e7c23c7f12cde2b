"""The ledger of alerts: one SQLite file of the state folder, in which each alert stands once, by its id.

What was read is read again after a crash, and finds its alerts here already. So a position only saves work, and that no
alert is lost or told twice does not depend on the moment at which it is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.detection.rules.rule import LEVELS, Level

NAME = "alerts.db"
_VERSION = 1
_PATIENCE = 20.0  # seconds that a reader waits for the writer

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    level   INTEGER NOT NULL,
    time    INTEGER,
    body    BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS alert_time ON alert (time);

CREATE TABLE IF NOT EXISTS position (
    store   TEXT NOT NULL,
    place   TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (store, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS held (
    correlation  TEXT NOT NULL,
    grouped      TEXT NOT NULL,
    time         INTEGER NOT NULL,
    place        INTEGER NOT NULL,
    event        TEXT NOT NULL,
    arrived      INTEGER NOT NULL,
    body         BLOB NOT NULL,
    PRIMARY KEY (correlation, grouped, time, place, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS told (
    correlation  TEXT NOT NULL,
    grouped      TEXT NOT NULL,
    time         INTEGER NOT NULL,
    event        TEXT NOT NULL,
    PRIMARY KEY (correlation, grouped, time, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS waiting (
    correlation  TEXT NOT NULL,
    grouped      TEXT NOT NULL,
    time         INTEGER NOT NULL,
    due          INTEGER NOT NULL,
    PRIMARY KEY (correlation, grouped, time)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_due ON waiting (correlation, due);
"""


class Alert(NamedTuple):
    """What is kept of an alert: its id, its level, its time in microseconds (UTC), and what programs read."""

    id: str
    level: Level | None
    time: int | None
    body: dict[str, Any]


class Ledger:
    """The open ledger."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it is kept, durably, or none of it.

        Raises:
            Missing: the disk is full, or the file cannot be written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()
        except sqlite3.OperationalError as error:
            raise _unwritten(self._path, error) from error

    def keep(self, alerts: Sequence[Alert]) -> list[dict[str, Any]]:
        """Keep alerts, within a transaction; those that were not there, as programs read them."""
        new = []
        for one in alerts:
            values = one.id, _rank(one.level), one.time, orjson.dumps(one.body)
            sql = "INSERT INTO alert (id, level, time, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
            if (made := self._connection.execute(sql, values)).rowcount:
                new.append({"number": made.lastrowid, **one.body})
        return new

    def alerts(
        self, *, after: int = 0, level: Level | None = None, since: int | None = None, until: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Alerts as programs read them, in the order in which they were raised: beyond a number, from a level on.

        `since` and `until` bound the event's time in microseconds; an event without one is then left out.

        Raises:
            BadInput: the file is damaged.
        """
        sql = "SELECT number, body FROM alert WHERE number > ? AND level >= ?"
        values = [after, _rank(level)]
        for bound, sign in ((since, ">="), (until, "<")):
            if bound is not None:
                sql += f" AND time {sign} ?"
                values.append(bound)
        try:
            for number, body in self._connection.execute(sql + " ORDER BY number", values):
                yield {"number": number, **orjson.loads(body)}
        except sqlite3.DatabaseError as error:
            raise _unreadable(self._path, error) from error

    def position(self, store: str) -> dict[str, int]:
        """How far a store was read; empty at first."""
        sql = "SELECT place, number FROM position WHERE store = ?"
        return dict(self._connection.execute(sql, (store,)).fetchall())

    def blank(self) -> bool:
        """Whether no store was ever read."""
        return not self._connection.execute("SELECT EXISTS (SELECT 1 FROM position)").fetchone()[0]

    def reached(self, store: str, places: Mapping[str, int]) -> None:
        """Keep, within a transaction, how far some of a store's places were read."""
        rows = [(store, place, number) for place, number in places.items()]
        self._connection.executemany("INSERT OR REPLACE INTO position VALUES (?, ?, ?)", rows)

    def leave(self, store: str) -> None:
        """Forget, within a transaction, how far a store's places were read."""
        self._connection.execute("DELETE FROM position WHERE store = ?", (store,))

    def forget(self, before: int) -> int:
        """Let go of matches that were held for correlations and arrived before a time (microseconds); how many.

        Raises:
            Missing: the file cannot be written.
        """
        with self.transaction() as db:
            db.execute("DELETE FROM waiting WHERE due < ?", (before,))
            return db.execute("DELETE FROM held WHERE arrived < ?", (before,)).rowcount

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_ledger(folder: Path, *, create: bool = False) -> Ledger:
    """The ledger of the state in `folder`.

    Raises:
        Missing: there is none and `create` is false, or it cannot be opened.
        BadInput: it is of a newer version, or no database.
    """
    path = folder / NAME
    if not create and not path.exists():
        raise Missing(
            Both(f"{folder} にはまだアラートの記録がない", f"{folder} has no alerts yet"),
            Both("--state を確かめるか、`sekisho watch` を実行する", "check --state, or run `sekisho watch`"),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _lay_out(connection, path)
        if create:
            path.chmod(0o600)
    except sqlite3.OperationalError as error:
        raise _unwritten(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error
    return Ledger(path, connection)


def _lay_out(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _VERSION:
        raise BadInput(
            Both(f"{path} は新しい版のsekishoのもの", f"{path} was written by a newer sekisho"),
            Both("その版を使う", "use that one"),
        )
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")


def _rank(level: Level | None) -> int:
    return -1 if level is None else LEVELS.index(level)


def _unwritten(path: Path, error: sqlite3.Error) -> Missing:
    why = both(str(error))
    return Missing(
        Both(f"{path} に記録できない ({why.ja})", f"{path} cannot be written: {why.en}"),
        Both(
            "空き容量と所有者を確認する。続きから監視するので、アラートは失われない",
            "check the free space and the owner; it goes on where it was, and no alert is lost",
        ),
    )


def _unreadable(path: Path, error: sqlite3.Error) -> BadInput:
    why = both(str(error))
    return BadInput(
        Both(f"{path}: 読めない ({why.ja})", f"{path}: {why.en}"),
        Both(
            "控えから戻す。控えがなければ別名にして、`sekisho watch` で読み直す",
            "restore it from the backup; without one, give it another name, and let `sekisho watch` read again",
        ),
    )
