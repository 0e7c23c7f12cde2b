#!/usr/bin/python3
"""Ends leases at their time, and tells whoever changes the table by something else than its one command.

The command writes down what it is asked before it changes anything, and what came of it afterwards. So a change for
which nothing was asked is another program's, and is told in the system's journal. Of a change that is undone within
half a second, or made while this program does not run, it does not know.
"""

import json
import time

from sekisho_assign import clear, connect, disconnect

LOOK = 0.5  # seconds between two looks at the whole table
PATIENCE = 60.0  # seconds in which the command has answered, a silent switch included, or was ended
ROWS = "SELECT cn AS name, serial, mac, vlan, until, next, lease, wave, gate, revoked FROM assignment"
FIXED = "SELECT mac AS name, asset, vlan, until FROM fixed"


class Table:
    """What the table said when it was looked at last, and which requests were being carried out then."""

    def __init__(self, database):
        self._database = database
        self._version, self._last, self._open, self._rows = None, 0, set(), {}
        self.changes()

    def changes(self):
        """Sentences about rows that are other than at the last look, without a request that explains it."""
        version = self._database.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        first, before = self._version is None, self._rows
        self._version = version
        self._database.execute("BEGIN")  # rows and requests of one moment
        asked = self._asked()
        self._rows = {("row", row["name"]): dict(row) for row in self._database.execute(ROWS)}
        self._rows |= {("device", row["name"]): dict(row) for row in self._database.execute(FIXED)}
        self._database.execute("COMMIT")
        if first:
            return []
        changed = [key for key in before.keys() | self._rows.keys() if before.get(key) != self._rows.get(key)]
        return [
            told(name, before.get((kind, name)), self._rows.get((kind, name)))
            for kind, name in sorted(changed)
            if (name if kind == "row" else "fix") not in asked
        ]

    def _asked(self):
        """For whom the command was asked something since the last look, or was at work then."""
        since = min(self._open, default=self._last + 1)
        found = self._database.execute("SELECT rowid, * FROM journal WHERE rowid >= ?", (since,)).fetchall()
        mine = [one for one in found if one["rowid"] > self._last or one["rowid"] in self._open]
        self._open = {one["rowid"] for one in mine if not one["answer"] and one["at"] > time.time() - PATIENCE}
        self._last = max([self._last, *(one["rowid"] for one in found)])
        return {one["what"] if one["what"] == "fix" else one["cn"] for one in mine}


def told(name, before, now):
    """What has become of a row; either is None where it was not there."""
    if before is None or now is None:
        return f"{json.dumps(name)} {'is gone' if now is None else 'is new'}: {json.dumps(before or now)}"
    parts = [f"{key} {json.dumps(before[key])} -> {json.dumps(now[key])}" for key in now if before[key] != now[key]]
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


def main():
    database, done, looked = connect(), {}, 0.0
    table = Table(database)
    while True:
        wait = end_leases(database, done)
        if time.monotonic() >= looked + LOOK:
            looked = time.monotonic()
            for one in table.changes():
                print(f"<4>changed outside of the tool: {one[:500]}", flush=True)
        time.sleep(wait)


if __name__ == "__main__":
    main()
