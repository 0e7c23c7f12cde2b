"""Which program a process was started by: snoopy and the kernel's audit tell a parent's number, and not its program.

Their records are read in order, so what a process became is known from its own. That is not all: a process may become
another one unseen (snoopy does not see `execvp`), only be forked, be gone, or its number be another's by now. So a
parent that is alive must still have the name that goes with what is known of it, and have begun before its child. What
is found otherwise counts for what comes later, and nothing is said for now: a wrong parent is worse than none.

What is known of gone processes ends with the program; what runs when it begins is looked at then.
"""

import json
import os
import posixpath
import re
import time
from collections import OrderedDict
from pathlib import Path

FIELD = "_SEKISHO_PARENT_EXE"  # with an underscore in front: journald takes no such field from anybody
PROC = Path("/proc")
BOUND = 16384  # processes that are remembered, the latest; fewer where numbers are used again sooner
NAME = 15  # octets of a process's name that the kernel keeps
TICK = 1_000_000 // os.sysconf("SC_CLK_TCK")  # microseconds
# These become the program that they start, by a way that snoopy does not see: whose child it is, is never theirs.
BECOME = frozenset(
    {"chroot", "chrt", "env", "ionice", "nice", "nohup", "nsenter", "prlimit", "setarch", "setpriv", "setsid"}
    | {"ssh-agent", "stdbuf", "systemd-cat", "taskset", "unshare"}
)
MAYBE = (b'"snoopy"', b"type=SYSCALL", b'"SYSCALL ')  # what a record of a start has in it
SNOOPY = re.compile(r"(?:v1 )?(?P<pairs>(?:\w++=[^\s|=]++ )*?)cwd=(?P<rest>.*)", re.DOTALL)
AUDIT = re.compile(r'(?:^|\s)(?P<key>\w+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>\S*))')
NUMBER = re.compile(r"[0-9]{1,10}")
STARTS = {"c000003e": {"59", "322"}, "40000003": {"11", "358"}, "c00000b7": {"221", "281"}, "40000028": {"11", "387"}}


class Start:
    """That a process became a program: `name` is what the kernel calls it then, `seen` what journald saw it called."""

    def __init__(self, pid, parent, program, name, seen=""):
        self.pid, self.parent, self.program, self.name, self.seen = pid, parent, program, name, seen


class Process:
    """A process that runs: `since` is in ticks of the kernel, `began` in microseconds of the monotonic clock.

    Raises:
        OSError, ValueError: it is gone, or may not be looked at.
    """

    def __init__(self, pid):
        line = (PROC / str(pid) / "stat").read_bytes()
        name, _, rest = line[line.index(b"(") + 1 :].rpartition(b") ")
        words = rest.split()
        if words[0] in b"ZX":
            raise ValueError("ended")
        asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.pid, self.parent, self.name = pid, int(words[1]), name.decode(errors="replace")
        self.since = int(words[19])
        self.began = self.since * TICK - asleep // 1000

    def program(self):
        path = os.fsencode((PROC / str(self.pid) / "exe").readlink())
        return path.decode(errors="replace").removesuffix(" (deleted)")


class Parents:
    """What is known of processes: what their records told, and what was found by looking, each with its time."""

    def __init__(self):
        self.boot = self.running = (PROC / "sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        self.bound = min(BOUND, int((PROC / "sys/kernel/pid_max").read_text()) // 4)
        self.told, self.found = OrderedDict(), OrderedDict()
        for path in PROC.glob("[0-9]*"):
            self.look(int(path.name))

    def beside(self, line):
        """A line of the journal, with the parent's program in it if it tells of a start and the parent is known."""
        if not any(mark in line for mark in MAYBE):
            return line
        try:
            record = json.loads(line)
            boot, at = record["_BOOT_ID"], int(record["__MONOTONIC_TIMESTAMP"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return line
        one = start(record)
        if one is None:
            return line
        if boot != self.boot:  # numbers begin anew with the machine
            self.told.clear()
            self.boot = boot
        program = self.of(one, at)
        keep(self.told, self.bound, one.pid, (at, one.program, one.name))
        if not program or not line.endswith(b"}\n"):
            return line
        return line[:-2] + b"," + json.dumps({FIELD: program})[1:].encode() + b"\n"

    def of(self, child, at):
        """The program that the parent of a start was at that time, in microseconds; "" if that is not sure."""
        here = self.boot == self.running
        parent = process(child.parent) if here else None
        if parent and parent.began > at:  # the number is another's now
            parent = None
        known = self.known(child.parent, at, parent.began if parent else 0, here=here)
        if parent is None:
            if known is None or (child.seen and child.seen not in {known[2], child.name}):
                return ""
            return known[1]
        if known and known[2] == parent.name:
            return known[1]
        self.look(child.parent)
        if known is None and (forker := process(parent.parent)) and forker.name == parent.name:
            return program_of(parent)  # it was forked, and has the name that it had then: it became nothing else
        return ""

    def known(self, pid, at, began, *, here):
        """The latest that is known of a process which began so, for that time: when, which program, which name."""
        some = [self.told.get(pid), self.found.get(pid) if here else None]
        fit = [one for one in some if one and began <= one[0] <= at]
        if not fit:
            return None
        for kept in (self.told, self.found):
            if pid in kept:
                kept.move_to_end(pid)  # it still starts others
        last = max(fit)
        return None if last[2] in BECOME else last

    def look(self, pid):
        """Remember what a process is now."""
        one = process(pid)
        program = program_of(one) if one else ""
        if program:
            keep(self.found, self.bound, pid, (time.monotonic_ns() // 1000, program, one.name))


def process(pid):
    """A process that runs, None if there is none of that number."""
    try:
        return Process(pid) if pid > 0 else None
    except (OSError, ValueError, IndexError):
        return None


def program_of(one):
    """The program of a process that has still the name that it had, "" if it has none or is gone."""
    try:
        program, again = one.program(), Process(one.pid)
    except (OSError, ValueError, IndexError):
        return ""
    return program if (again.since, again.name) == (one.since, one.name) else ""


def keep(kept, bound, pid, what):
    """Remember the latest of a process, and of no more processes than the bound."""
    kept[pid] = what
    kept.move_to_end(pid)
    if len(kept) > bound:
        kept.popitem(last=False)


def start(record):
    """The start that a record of the journal tells of, None if it tells of none that can be believed."""
    message = text(record.get("MESSAGE"))
    if record.get("_TRANSPORT") == "audit":
        return by_audit(message) if message.startswith("SYSCALL ") else None
    if record.get("SYSLOG_IDENTIFIER") == "snoopy":
        return by_snoopy(message, record)
    if record.get("_UID") == "0" and re.match(r"(?:node=\S+ )?type=SYSCALL msg=audit\(", message):
        return by_audit(message)
    return None


def by_snoopy(message, record):
    """A line of snoopy, by the process and the user that journald knows it to be."""
    found = SNOOPY.fullmatch(message)
    if found is None:
        return None
    told = dict(pair.split("=") for pair in found["pairs"].split())
    if (told.get("pid"), told.get("uid")) != (record.get("_PID"), record.get("_UID")) or not numbered(told):
        return None
    rest = found["rest"]
    cwd, _, rest = ("/", "//", rest[3:]) if rest.startswith("///file=") else rest.partition("//")
    file, ends, _ = rest.partition("//cmd=")
    if not ends or not file.startswith("file=") or not file.removeprefix("file="):
        return None
    file = file.removeprefix("file=")
    image = file if file.startswith("/") or not cwd.startswith("/") else posixpath.join(cwd, file.removeprefix("./"))
    return Start(int(told["pid"]), int(told["ppid"]), image, name_of(file), text(record.get("_COMM")))


def by_audit(message):
    """A record of a system call that started a program."""
    told = {}
    for pair in AUDIT.finditer(message.partition("\x1d")[0]):
        bare = decoded(pair["bare"]) if pair["key"] in {"comm", "exe"} else pair["bare"]
        told.setdefault(pair["key"], pair["quoted"] or bare)
    if told.get("success") != "yes" or told.get("syscall") not in STARTS.get(told.get("arch", ""), ()):
        return None
    if not numbered(told) or not told.get("exe"):
        return None
    return Start(int(told["pid"]), int(told["ppid"]), told["exe"], told.get("comm", ""))


def numbered(told):
    """Whether a start tells which process it is, and of which parent."""
    return all(NUMBER.fullmatch(told.get(key, "")) for key in ("pid", "ppid"))


def decoded(word):
    """What the kernel writes in hexadecimal, when there is a blank or a quote in it."""
    word = word or ""
    return bytes.fromhex(word).decode(errors="replace") if re.fullmatch(r"(?:[0-9A-F]{2})+", word) else word


def name_of(path):
    """What the kernel calls a process that became this program."""
    return posixpath.basename(path).encode(errors="replace")[:NAME].decode(errors="replace")


def text(value):
    """A field as text: journald writes octets that are no text as numbers."""
    if isinstance(value, list) and value and all(type(one) is int and 0 <= one < 256 for one in value):
        return bytes(value).decode(errors="replace")
    return value if isinstance(value, str) else ""
