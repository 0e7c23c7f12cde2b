"""Records of one event of the audit log become the start of a process: its program, arguments, folder and user.

The kernel writes SYSCALL first, EXECVE (several, if there are many arguments), CWD, PATH, PROCTITLE, and an end that
not every way brings along (the journal does not). PROCTITLE comes once and last, so that ends it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from sekisho.telemetry.formats import process
from sekisho.telemetry.formats.auditd import Record
from sekisho.telemetry.formats.found import Found
from sekisho.telemetry.identity import Own

AGE = 10_000_000  # microseconds in which all records of an event have arrived; those that come later are not waited for
_OPEN = 1024  # events that are waited for at once, of all hosts
_OCTETS = 64 * 1024 * 1024  # of all that is kept of these
_LONGEST = 8 * 1024 * 1024  # of one; arguments have 2 MiB in most set-ups, and twice as much in hexadecimal
_TELLS = frozenset({"SYSCALL", "CWD", "PROCTITLE"})
_ENDS = frozenset({"PROCTITLE", "EOE"})
# How a processor calls the system calls that start a program: execve, execveat.
_STARTS = {
    "c000003e": {"59", "322"},
    "40000003": {"11", "358"},
    "c00000b7": {"221", "281"},
    "40000028": {"11", "387"},
}
_ARGUMENT = re.compile(
    r"""(?<![\w-])a(?P<number>\d{1,9})(?:\[(?P<piece>\d{1,9})\])?=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s\x1d]*))"""
)
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})+")
First = TypeVar("First")


class Joined(NamedTuple, Generic[First]):
    """A start of a process, and the first record that it was made of, as it was handed in."""

    found: Found
    first: First


class _Event(Generic[First]):
    def __init__(self, record: Record, first: First, at: int, own: Own | None) -> None:
        self.first, self.at, self.own = first, at, own
        self.event, self.time = record.event, record.time
        self.node: str | None = record.node
        self.told: dict[str, str] = {}
        self.arguments: dict[tuple[int, int], bytes] = {}
        self.octets = 0

    def add(self, record: Record) -> None:
        self.octets += len(record.text) + 200
        if record.kind == "EXECVE":
            for place, octets in _arguments(record.text):
                self.arguments.setdefault(place, octets)
        elif record.kind in _TELLS:
            for key, value in record.fields.items():
                self.told.setdefault(f"{record.kind} {key}", value)

    def start(self) -> Found | None:
        if self.told.get("SYSCALL success") == "no":
            return None
        words: dict[int, bytes] = {}
        for (number, _), octets in sorted(self.arguments.items()):
            words[number] = words.get(number, b"") + octets
        return process.started(
            self.event,
            "auditd",
            self.node,
            self.time,
            self.own,
            Image=self._told("SYSCALL exe"),
            CommandLine=b" ".join(words.values()).decode(errors="replace") or self._told("PROCTITLE proctitle"),
            CurrentDirectory=self._told("CWD cwd"),
            User=self._told("SYSCALL UID") or {"0": "root"}.get(self._told("SYSCALL uid"), ""),
            ProcessId=self._told("SYSCALL pid"),
            ParentProcessId=self._told("SYSCALL ppid"),
            ParentImage=self._told(f"SYSCALL {process.PARENT}"),
        )

    def _told(self, what: str) -> str:
        found = self.told.get(what, "")
        return "" if found in {"(null)", "?", "unset"} else found


class Joiner(Generic[First]):
    """Joins the records of one stream, in which those of several events and hosts come in between each other's.

    What it holds is bounded: an event is also over when `AGE` is past, or when too many others are waited for.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[str, int, str], _Event[First]] = {}  # in the order in which they began
        self._octets = 0

    def add(self, record: Record, first: First, scope: str = "", at: int = 0) -> list[Joined[First]]:
        """The starts that are complete with this record. `first` comes back with that which it is the first of.

        `scope` is whose records these are, beyond their own host's name: the peer that sent them, if they were sent.
        `at` is when it arrived, in microseconds; 0 where that is not known.
        """
        over = self.aged(at)
        key = (f"{scope}\0{record.node or ''}", record.time, record.serial)
        event = self._events.get(key)
        if event is None and _begins(record):
            host = scope or record.node
            own = ("audit", host, str(record.time), record.serial) if host else None
            event = self._events[key] = _Event(record, first, at, own)
        if event is None:
            return over
        before = event.octets
        event.add(record)
        self._octets += event.octets - before
        if record.kind in _ENDS or event.octets > _LONGEST:
            over += self._end(key)
        while len(self._events) > _OPEN or self._octets > _OCTETS:
            over += self._end(next(iter(self._events)))
        return over

    def aged(self, at: int) -> list[Joined[First]]:
        """The starts whose other records would have arrived by this time, in microseconds."""
        over: list[Joined[First]] = []
        while self._events and (oldest := next(iter(self._events.items())))[1].at + AGE <= at:
            over += self._end(oldest[0])
        return over

    def rest(self) -> list[Joined[First]]:
        """Those that the end of the stream left, as far as they were told."""
        over: list[Joined[First]] = []
        while self._events:
            over += self._end(next(iter(self._events)))
        return over

    def oldest(self) -> First | None:
        """The first record of the event that is waited for the longest; None if none is."""
        return next(iter(self._events.values())).first if self._events else None

    def _end(self, key: tuple[str, int, str]) -> list[Joined[First]]:
        event = self._events.pop(key)
        self._octets -= event.octets
        found = event.start()
        return [Joined(found, event.first)] if found else []


def _begins(record: Record) -> bool:
    if record.kind == "EXECVE":
        return True
    if record.kind != "SYSCALL":
        return False
    fields = record.fields
    return fields.get("syscall") in _STARTS.get(fields.get("arch", ""), ()) or (
        fields.get("SYSCALL", fields.get("syscall")) in {"execve", "execveat"}
    )


def _arguments(text: str) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Arguments with their number and piece: a long one comes in several, and a character may be cut in two there."""
    for one in _ARGUMENT.finditer(text):
        quoted, bare = one["quoted"], one["bare"]
        hexadecimal = bare is not None and _HEXADECIMAL.fullmatch(bare)
        octets = bytes.fromhex(bare) if hexadecimal else (bare if quoted is None else quoted).encode(errors="replace")
        yield (int(one["number"]), int(one["piece"] or 0)), octets
