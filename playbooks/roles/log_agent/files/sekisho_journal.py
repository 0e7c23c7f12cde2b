"""Appends the journal's records, as journald's own JSON, to segment files that rsyslog sends; it sends nothing itself.

To a record that tells of a process start, its parent's program is added (`sekisho_parents`): nobody can later on.

A record is in a segment before its cursor can count as read: the cursor to go on from is that of the last whole record
in the segments. So after a kill some record may be written twice, and none is left out.

rsyslog counts what it has sent, not what was acknowledged, and forgets what was on the way when it is killed or
restarted. It therefore starts with every segment that is there (its unit removes the positions), and a segment is
removed only when rsyslog has read it and so many records after it that it was acknowledged.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from sekisho_parents import Parents

SPOOL = Path("/var/spool/sekisho")
POSITIONS = Path("/var/spool/rsyslog")  # rsyslog's own: a file "imfile-state:..." for each segment that it reads
# With --follow alone journalctl leaves out what was before the machine's last start; with --merge it does not.
JOURNAL = ["journalctl", "--quiet", "--follow", "--no-tail", "--merge", "--output=json"]
SEGMENT = 512 * 1024  # octets after which the next segment begins; two or three are sent again when rsyslog starts
BOUND = int(os.environ.get("SEKISHO_SPOOL_BOUND", str(1024**3)))  # octets of segments; the journal keeps what is beyond
FREE = 128 * 1024**2  # octets that are left free on the disk
BEHIND = 512  # records: more than rsyslog may have unacknowledged (128, its windowSize) and read ahead (64)
SOON = 10  # seconds between two looks at what was acknowledged, while records come
LONGEST = 900_000  # octets of a record, below rsyslog's maxMessageSize
READABLE = 16 * 1024**2  # octets of a record that are held in memory, to shorten it


def say(what):
    """Tell the journal, as a warning."""
    print(f"<4>{what}", file=sys.stderr, flush=True)


class Spool:
    """The segments. A start begins a new one: rsyslog may have read half of a line that a kill tore."""

    def __init__(self):
        self.file, self.size, self.tidied = None, 0, time.monotonic()

    def segments(self):
        return sorted(SPOOL.glob("[0-9]*.ndjson"))

    def last(self):
        """The last whole record in the segments, as bytes; b"" if there is none."""
        for path in reversed(self.segments()):
            for line in reversed(path.read_bytes().split(b"\n")[:-1]):
                if cursor(line):
                    return line
        return b""

    def append(self, line):
        if self.file is None or self.size >= SEGMENT:
            self.roll()
        elif time.monotonic() - self.tidied > SOON:
            self.tidy()
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self.file, rest) :]
        self.size += len(line)

    def roll(self):
        """Begin a segment. Its name is a time, or one more than the last name, so that it is never used again."""
        if self.file is not None:
            os.fsync(self.file)
            os.close(self.file)
        self.tidy()
        self.wait()
        names = [int(path.stem) for path in self.segments()[-1:]]
        number = max([time.time_ns() // 1000, *(name + 1 for name in names)])
        self.file = os.open(SPOOL / f"{number:020}.ndjson", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self.size = 0

    def wait(self):
        """Read no further while the segments fill their space: the journal holds the records meanwhile."""
        if not self.full():
            return
        say(f"{SPOOL} is full of records that were not sent; they wait in the journal until the collector takes some")
        while self.full():
            time.sleep(5)
            self.tidy()
        say(f"{SPOOL} has room again")

    def full(self):
        disk = os.statvfs(SPOOL)
        held = sum(path.stat().st_size for path in self.segments())
        return held > BOUND - SEGMENT or disk.f_bavail * disk.f_frsize < FREE

    def tidy(self):
        """Remove the segments that were acknowledged; the last one stays, for its cursor."""
        self.tidied = time.monotonic()
        there, behind = {path.name: path for path in self.segments()[:-1]}, 0
        for name, position in reversed(positions()):
            path = there.get(name)
            if path is None or position < path.stat().st_size:
                continue
            if behind >= BEHIND:
                path.unlink()
            else:
                behind += path.read_bytes().count(b"\n")


def positions():
    """How far rsyslog has read: pairs of a segment's name and octets, in the order in which it read last."""
    found = {}
    for path in POSITIONS.glob("imfile-state:*"):
        try:
            state, when = json.loads(path.read_bytes()), path.stat().st_mtime_ns
            name, position = Path(state["filename"]).name, int(state["curr_offs"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # gone, or being written
        found[name] = max((when, position), found.get(name, (0, 0)))  # two: imfile names a short file otherwise
    return [(name, position) for name, (_, position) in sorted(found.items(), key=lambda one: one[1])]


def cursor(line):
    """The cursor of a record, "" if the line is none."""
    try:
        return str(json.loads(line)["__CURSOR"])
    except (ValueError, KeyError, TypeError):
        return ""


def shortened(line):
    """A record in LONGEST octets: long fields keep their beginning, and SEKISHO_SHORTENED names them."""
    record, cut = json.loads(line), set()
    while len(line) > LONGEST:
        field = max(record.keys() - {"__CURSOR"}, key=lambda name: len(json.dumps(record[name])))
        whole = isinstance(record[field], str) or all(isinstance(one, int) for one in record[field] or [])
        record[field] = record[field][:65536] if whole and field not in cut else None
        cut.add(field)
        line = json.dumps({**record, "SEKISHO_SHORTENED": sorted(cut)}).encode() + b"\n"
    return line


def without_long_fields(last):
    """The record after `last` as journalctl shortens it: fields of more than 4,096 octets are null."""
    after = [f"--after-cursor={cursor(last)}"] if last else []
    with subprocess.Popen([*JOURNAL, *after], stdout=subprocess.PIPE) as journal:
        line = journal.stdout.readline()
        journal.kill()
    return json.dumps({**json.loads(line), "SEKISHO_SHORTENED": ["fields of more than 4096 octets"]}).encode() + b"\n"


def follow(spool, parents, last):
    """Append what comes after the record `last`, from the oldest if it is empty, until journalctl ends.

    Its exit code, and the record that was the last one then.

    The record of the cursor is asked for again: if another comes in its place, the journal has lost some.
    """
    at = cursor(last) if last else ""
    start = [f"--cursor={at}"] if at else []
    with subprocess.Popen([*JOURNAL, "--all", *start], stdout=subprocess.PIPE) as journal:
        while line := journal.stdout.readline(READABLE):
            if len(line) == READABLE and not line.endswith(b"\n"):
                while not journal.stdout.readline(READABLE).endswith(b"\n"):
                    pass
                line = without_long_fields(last)
            if at:
                same, at = cursor(line) == at, ""
                if same:
                    continue
                say("the journal has no longer the record that was the last one: records before the next one are lost")
            if len(line) > LONGEST:
                line = shortened(line)
            line = parents.beside(line)
            spool.append(line)
            last = line
    return journal.returncode, last


def main():
    spool, parents = Spool(), Parents()
    last, before = spool.last(), None
    while last != before:
        before = last
        code, last = follow(spool, parents, last)
        if code < 0 and last == before:  # killed again and again at the same place: the record does not fit in memory
            last = without_long_fields(last)
            spool.append(last)
    if last and not known(cursor(last)):
        say("the last record's cursor is not understood by this journal: all of it is written from the oldest on")
        follow(spool, parents, b"")
    sys.exit("journalctl ended")


def known(at):
    """Whether journalctl understands a cursor."""
    asked = ["journalctl", "--quiet", "--lines=1", f"--cursor={at}"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    main()
