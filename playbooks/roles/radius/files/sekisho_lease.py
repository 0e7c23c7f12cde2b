#!/usr/bin/python3
"""Ends leases at their time, and tells whoever changes the table by something else than its one command.

The command writes down what it is asked before it changes anything, and what came of it afterwards. So a change for
which nothing was asked is another program's, and is told in the system's journal. Of a change that is undone within
half a second, or made while this program does not run, it does not know.
"""

import json
import sqlite3
import time

from sekisho_assign import clear, connect, disconnect

LOOK = 0.5  # seconds between two looks at the whole table
PATIENCE = 60.0  # seconds in which the command has answered, a silent switch included, or was ended
TERMINALS = "SELECT cn, serial, mac, vlan, until, next, lease, wave, gate, revoked FROM assignment"  # not its session
DEVICES = "SELECT mac, asset, vlan, until FROM fixed"


class Table:
    """What the table said when it was looked at last, and which requests were being carried out then.

    The first look tells nothing: there is nothing to compare with.
    """

    def __init__(self, database):
        self._database = database
        self._version, self._last, self._open = None, 0, set()
        self._terminals, self._devices = {}, {}

    def changes(self):
        """Sentences about rows that are other than at the last look, without a request that explains it.

        Raises sqlite3.Error when a row cannot be read; it is tried again after the next change.
        """
        version = self._database.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        first, self._version = self._version is None, version
        terminals, devices = self._terminals, self._devices
        self._database.execute("BEGIN")  # rows and requests of one moment
        try:
            asked = self._asked()
            columns, self._terminals = self._read(TERMINALS)
            found = [told(columns, *one) for one in differences(terminals, self._terminals) if one[0] not in asked]
            columns, self._devices = self._read(DEVICES)
            found += [told(columns, *one) for one in differences(devices, self._devices) if "fix" not in asked]
        finally:
            self._database.execute("COMMIT")
        return [] if first else found

    def _read(self, query):
        """The columns, and the rows by name, as plain tuples: there are thousands, and few change."""
        cursor = self._database.cursor()
        cursor.row_factory = None
        rows = {row[0]: row for row in cursor.execute(query)}
        return [column[0] for column in cursor.description], rows

    def _asked(self):
        """For whom the command was asked something since the last look, or was at work then."""
        since = min(self._open, default=self._last + 1)
        found = self._database.execute("SELECT rowid, * FROM journal WHERE rowid >= ?", (since,)).fetchall()
        mine = [one for one in found if one["rowid"] > self._last or one["rowid"] in self._open]
        self._open = {one["rowid"] for one in mine if not one["answer"] and one["at"] > time.time() - PATIENCE}
        self._last = max([self._last, *(one["rowid"] for one in found)])
        return {one["what"] if one["what"] == "fix" else one["cn"] for one in mine}


def differences(before, now):
    """Names with their rows of before and now, None where there is none."""
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return [(name, before.get(name), now.get(name)) for name in changed]


def told(columns, name, before, now):
    """What has become of a row."""
    if before is None or now is None:
        facts = dict(zip(columns, before or now, strict=True))
        return f"{json.dumps(name)} {'is gone' if now is None else 'is new'}: {json.dumps(facts)}"
    both = zip(columns, before, now, strict=True)
    parts = [f"{column} {json.dumps(old)} -> {json.dumps(new)}" for column, old, new in both if old != new]
    return f"{json.dumps(name)}: {', '.join(parts)}"


def end_leases(database, done):
    """End the sessions of leases that are over; seconds until there is something to do again."""
    now = time.time()
    for row in database.execute("SELECT * FROM assignment WHERE until <= ? AND sid IS NOT NULL", (now,)).fetchall():
        key = (row["cn"], row["lease"], row["sid"])
        if row["claimed"] is not None and row["claimed"] > row["until"]:
            continue  # a session that began after the end is home already
        if done.get(key, 0) < now - 2:
            done[key] = now
            if disconnect(row) != "silent":
                clear(database, row)
    soonest = database.execute("SELECT min(until) FROM assignment WHERE until > ?", (now,)).fetchone()[0]
    return min(LOOK, max(0.002, (soonest or now + 1) - time.time()))


def look(table):
    """Tell what was changed. Leases end whatever is found: a row that somebody spoilt must not keep them."""
    try:
        for one in table.changes():
            print(f"<4>changed outside of the tool: {one[:500]}", flush=True)
    except sqlite3.Error as error:
        print(f"<3>the table of assignments cannot be read: {error}", flush=True)


def main():
    database, done, looked = connect(), {}, 0.0
    table = Table(database)
    while True:
        wait = end_leases(database, done)
        if time.monotonic() >= looked + LOOK:
            looked = time.monotonic()
            look(table)
        time.sleep(wait)


if __name__ == "__main__":
    main()
