#!/usr/bin/python3
"""The RADIUS server's own side of a tier change: one table, changed only by the words below.

It is the forced command of one SSH key. It reads one JSON object a line and answers one JSON object a line:

    {"do": "cross", "cn": "PC-0001", "lease": 7, "vlan": 21, "back": 10, "seconds": 300, "wave": "pilot", "gate": "..."}
    {"cn": "PC-0001", "done": true, "why": "", "disconnect": "ack", ...}

Times are this machine's own; only durations come in. Every change is a compare-and-set in one transaction. A session
that a change makes wrong is ended by a Disconnect-Request (RFC 5176) that the switch must acknowledge.

What it is asked stands in the table's journal before anything is changed: `sekisho_lease.py` tells whoever changes the
table without. What came of it stands there too, and is a line of the system's journal.
"""

import json
import os
import pwd
import re
import sqlite3
import subprocess
import sys
import syslog
import time

DATABASE = os.environ.get("SEKISHO_ASSIGN_DB", "/var/lib/sekisho/assign.db")
SECRET = os.environ.get("SEKISHO_ASSIGN_SECRET", "/etc/sekisho/switch.secret")
SWITCH = os.environ.get("SEKISHO_ASSIGN_SWITCH", "/etc/sekisho/switch.address")
CN = re.compile(r"[A-Z0-9][A-Z0-9-]{0,30}")
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
SERIAL = re.compile(r"([0-9a-f]{2}){1,20}")
KEPT = ("wave", "lease", "gate", "vlan")  # of a request, in the system's journal

SCHEMA = """
CREATE TABLE IF NOT EXISTS assignment (
    cn TEXT PRIMARY KEY, serial TEXT NOT NULL, mac TEXT NOT NULL UNIQUE,
    vlan INTEGER NOT NULL, until REAL, next INTEGER, lease INTEGER NOT NULL DEFAULT 0,
    wave TEXT NOT NULL DEFAULT '', gate TEXT NOT NULL DEFAULT '', revoked INTEGER NOT NULL DEFAULT 0,
    nas TEXT, station TEXT, sid TEXT, claimed REAL
) STRICT;
CREATE TABLE IF NOT EXISTS fixed (
    mac TEXT PRIMARY KEY, asset TEXT NOT NULL, vlan INTEGER NOT NULL, until REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS journal (
    at REAL NOT NULL, what TEXT NOT NULL, cn TEXT NOT NULL, line TEXT NOT NULL, answer TEXT NOT NULL
) STRICT;
"""


class RequestError(Exception):
    """The request cannot be carried out; the text says why."""


def connect():
    """The table, created at first use. FreeRADIUS reads and claims in the same file, so writers wait for each other."""
    database = sqlite3.connect(DATABASE, timeout=10, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(SCHEMA)
    return database


def effective(row, now):
    """The VLAN that the row means at this moment: a lease that has ended means the tier to go back to."""
    return row["next"] if row["until"] is not None and row["until"] <= now else row["vlan"]


def take(request, name, kind, pattern=None):
    value = request.get(name)
    if not isinstance(value, kind) or isinstance(value, bool) or (pattern and not pattern.fullmatch(value)):
        raise RequestError(f"{name}: missing or malformed")
    return value


def row_of(database, cn):
    row = database.execute("SELECT * FROM assignment WHERE cn = ?", (cn,)).fetchone()
    if row is None:
        raise RequestError("the RADIUS server does not know this terminal")
    return row


def disconnect(row):
    """End the live session of a row; `ack`, `none` (there was none), or `silent` after three tries."""
    if not row["sid"]:
        return "none"
    with open(SWITCH, encoding="ascii") as stream:
        switch = stream.read().strip()
    for _ in range(3):
        attributes = [
            f'NAS-Identifier = "{row["nas"]}"',
            f'Calling-Station-Id = "{row["station"]}"',
            f'Acct-Session-Id = "{row["sid"]}"',
            f"Event-Timestamp = {int(time.time())}",
            "Message-Authenticator = 0x00",
        ]
        done = subprocess.run(
            ["/usr/bin/radclient", "-x", "-r", "1", "-t", "2", "-S", SECRET, f"{switch}:3799", "disconnect"],
            input=("\n".join(attributes) + "\n").encode(),
            capture_output=True,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        if "Received Disconnect-ACK" in said:
            return "ack"
        if "Received Disconnect-NAK" in said and "Session-Context-Not-Found" in said:
            return "none"
    return "silent"


def clear(database, row):
    """Forget a session that has ended, unless a newer one has claimed the row meanwhile."""
    database.execute(
        "UPDATE assignment SET nas = NULL, station = NULL, sid = NULL, claimed = NULL WHERE cn = ? AND sid IS ?",
        (row["cn"], row["sid"]),
    )


def change(database, cn, sql, values):
    """One compare-and-set, then the end of the session that it made wrong: the one that lived when it was made.

    Whoever authenticates later is given what the row says now.
    """
    changed = database.execute(f"{sql} RETURNING *", values).fetchall()
    if not changed:
        now = row_of(database, cn)
        raise RequestError(
            f"the row says VLAN {effective(now, time.time())}, lease {now['lease']}: not what was expected"
        )
    ended = disconnect(changed[0])
    if ended != "silent":
        clear(database, changed[0])
    return ended


def cross(database, request):
    cn, lease = take(request, "cn", str, CN), take(request, "lease", int)
    seconds = take(request, "seconds", int)
    vlan, back = take(request, "vlan", int), take(request, "back", int)
    row = row_of(database, cn)
    if row["revoked"]:
        raise RequestError("its certificate is revoked")
    if not 1 <= seconds <= 86400 or lease <= row["lease"]:
        raise RequestError("a lease needs a new number and a duration of 1 to 86400 s")
    now = time.time()
    if effective(row, now) != back:
        raise RequestError(f"it is in VLAN {effective(row, now)}, not in {back}")
    sql = (
        "UPDATE assignment SET vlan = ?, next = ?, until = ?, lease = ?, wave = ?, gate = ?"
        " WHERE cn = ? AND lease = ? AND (until IS NULL OR until <= ?)"
    )
    values = (vlan, back, now + seconds, lease, request["wave"], request["gate"], cn, row["lease"], now)
    ended = change(database, cn, sql, values)
    if ended == "silent":
        # Undone, unless it authenticated meanwhile: then it has the lease, and the switch its Session-Timeout.
        undone = database.execute(
            "UPDATE assignment SET vlan = ?, next = NULL, until = NULL, gate = 'back:silent'"
            " WHERE cn = ? AND lease = ? AND (claimed IS NULL OR claimed < ?)",
            (back, cn, lease, now - 0.01),
        )
        if not undone.rowcount:
            raise RequestError("the switch was silent and it authenticated meanwhile: it goes back when the lease ends")
        raise RequestError("the switch did not acknowledge the end of the old session")
    return {"disconnect": ended, "until_in": round(now + seconds - time.time(), 3)}


def confirm(database, request):
    cn, lease, vlan = take(request, "cn", str, CN), take(request, "lease", int), take(request, "vlan", int)
    sql = (
        "UPDATE assignment SET vlan = ?, next = NULL, until = NULL, wave = ?, gate = ?"
        " WHERE cn = ? AND lease = ? AND until > ? AND revoked = 0"
    )
    return {"disconnect": change(database, cn, sql, (vlan, request["wave"], request["gate"], cn, lease, time.time()))}


def give_back(database, request):
    """From probation to the old tier, also when the lease has ended already. Done twice it is done once."""
    cn, lease = take(request, "cn", str, CN), take(request, "lease", int)
    row = row_of(database, cn)
    if row["lease"] < lease or (row["lease"] == lease and row["until"] is None and row["gate"].startswith("back:")):
        return {"disconnect": "none", "already": True}
    sql = (
        "UPDATE assignment SET vlan = next, next = NULL, until = NULL, wave = ?, gate = ?"
        " WHERE cn = ? AND lease = ? AND until IS NOT NULL"
    )
    ended = change(database, cn, sql, (request["wave"], "back:" + request["gate"], cn, lease))
    if ended == "silent":  # the lease's own end closes the port: Session-Timeout is with the switch
        raise RequestError("the switch did not acknowledge; the port closes at the lease's end")
    return {"disconnect": ended}


def move(database, request):
    """To quarantine, and from quarantine home: from one named VLAN to another, never by a lease."""
    cn, vlan, origin = take(request, "cn", str, CN), take(request, "vlan", int), take(request, "from", int)
    lease = take(request, "lease", int)
    row = row_of(database, cn)
    if row["vlan"] == vlan and row["until"] is None:
        ended = "none" if row["sid"] is None or request["do"] == "release" else disconnect(row)
    else:
        sql = (
            "UPDATE assignment SET vlan = ?, wave = ?, gate = ?"
            " WHERE cn = ? AND vlan = ? AND until IS NULL AND lease = ?"
        )
        ended = change(database, cn, sql, (vlan, request["wave"], request["gate"], cn, origin, lease))
    if ended == "silent":
        raise RequestError("the switch did not acknowledge the end of the old session")
    return {"disconnect": ended}


def enrol(database, request):
    """A terminal's certificate and MAC; its VLAN only when it is new, so enrolling again never moves it."""
    cn, serial, mac = take(request, "cn", str, CN), take(request, "serial", str, SERIAL), take(request, "mac", str, MAC)
    vlan = take(request, "vlan", int)
    database.execute(
        "INSERT INTO assignment (cn, serial, mac, vlan, wave, gate) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (cn) DO UPDATE SET serial = excluded.serial, mac = excluded.mac",
        (cn, serial, mac, vlan, request["wave"], request["gate"]),
    )
    return {}


def revoke(database, request):
    cn = take(request, "cn", str, CN)
    ended = change(database, cn, "UPDATE assignment SET revoked = 1, gate = ? WHERE cn = ?", (request["gate"], cn))
    if ended == "silent":
        raise RequestError("revoked, but the switch did not acknowledge: pull the cable")
    return {"disconnect": ended}


def fix(database, request):
    """The whole list of devices without 802.1X: those that are no longer on it lose their port.

    With `dry_run` it only answers whether the list differs from the present one.
    """
    now = time.time()
    wanted = {
        take(one, "mac", str, MAC).replace(":", ""): (
            take(one, "asset", str, CN), take(one, "vlan", int), now + take(one, "seconds", int)
        )
        for one in take(request, "devices", list)
    }  # fmt: skip
    database.execute("BEGIN IMMEDIATE")
    before = {row["mac"]: (row["asset"], row["vlan"], row["until"]) for row in database.execute("SELECT * FROM fixed")}
    same = before.keys() == wanted.keys() and all(
        one[:2] == wanted[mac][:2] and abs(one[2] - wanted[mac][2]) < 60 for mac, one in before.items()
    )
    if not request.get("dry_run"):
        database.execute("DELETE FROM fixed")
        for mac, values in wanted.items():
            database.execute("INSERT INTO fixed VALUES (?, ?, ?, ?)", (mac, *values))
    database.execute("COMMIT")
    return {"devices": len(wanted), "changed": not same}


def table(database, _request):
    now = time.time()
    rows = [dict(row) for row in database.execute("SELECT * FROM assignment ORDER BY cn")]
    for row in rows:
        row["vlan_now"] = effective(row, now)
        row["left"] = None if row["until"] is None else round(row["until"] - now, 3)
        row["held"] = None if row["claimed"] is None else round(now - row["claimed"], 3)
    return {"rows": rows}


READS = {"table": table}
WRITES = {
    "enrol": enrol, "cross": cross, "confirm": confirm, "give_back": give_back,
    "quarantine": move, "release": move, "revoke": revoke, "fix": fix,
}  # fmt: skip


def write(database, word, request):
    if word not in WRITES:
        raise RequestError(f"unknown word {word!r}")
    for name, kind in (("wave", str), ("gate", str), ("lease", int)):
        take(request, name, kind)
    return WRITES[word](database, request)


def answer(database, line):
    """One line's answer. Every write needs wave, gate result and lease number, and stays in the journal."""
    cn, begun = "", None
    try:
        request = json.loads(line)
        known = request if isinstance(request, dict) else {}
        cn, word = known.get("cn", ""), str(known.get("do", ""))  # a list, say, is no word
        if word in READS:
            return {"cn": cn, "done": True, "why": "", **READS[word](database, known)}
        kept = (time.time(), word, str(cn), line.strip()[:2000])
        begun = database.execute("INSERT INTO journal VALUES (?, ?, ?, ?, '')", kept).lastrowid
        said = {"cn": cn, "done": True, "why": "", **write(database, word, known)}
    except RequestError as wrong:
        said = {"cn": cn, "done": False, "why": str(wrong)}
    except (ValueError, RecursionError):
        said = {"cn": "", "done": False, "why": "not a JSON object"}
    if begun is not None:
        database.execute("UPDATE journal SET answer = ? WHERE rowid = ?", (json.dumps(said), begun))
        if not known.get("dry_run"):
            tell(sentence(word, known, said, os.environ.get("SSH_CONNECTION", "")))
    return said


def sentence(word, request, said, connection):
    """A change as a line of the system's journal: no value has a blank or `=`, so none passes for another field."""
    origin = (connection.split() or ["-"])[0]
    facts = {"done": "yes" if said["done"] else "no", **{name: request.get(name, "-") for name in KEPT}}
    facts |= {"by": pwd.getpwuid(os.getuid()).pw_name, "from": origin}
    return " ".join([*map(plain, (word, said["cn"])), *(f"{name}={plain(value)}" for name, value in facts.items())])


def plain(value):
    return re.sub(r"[^\w.:-]", "_", str(value))[:64] or "-"


def tell(line):
    syslog.syslog(syslog.LOG_NOTICE, line)


def main():
    syslog.openlog("sekisho-assign", facility=syslog.LOG_AUTHPRIV)
    database = connect()
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(answer(database, line)), flush=True)


if __name__ == "__main__":
    main()
