"""Lines of the Linux audit log: `type=EXECVE msg=audit(1604994496.155:92733): argc=2 a0="arp" a1="-a"`."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import NamedTuple

import orjson

from sekisho.telemetry.formats.found import Found, NotARecord

MARK = b" msg=audit("
_LINE = re.compile(
    r"(?:node=(?P<node>\S+) )?type=(?P<type>[\w\[\]]+) "
    r"msg=audit\((?P<second>\d{1,11})\.(?P<milli>\d{3}):(?P<serial>\d+)\): ?(?P<rest>.*)",
    re.DOTALL,
)
# A key begins where a word does and is taken whole: else a long word without a value would be tried at each letter.
_PAIR = re.compile(
    r"""(?<![\w-])(?P<key>[\w-]++(?:\[\d++\])?)=(?:"(?P<quoted>[^"]*)"|'(?P<inner>[^']*)'|(?P<bare>[^\s\x1d]*))"""
)
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})+")
# What the kernel writes in hexadecimal when it has a blank, a quote or a control character, and plain in quotes else.
_ENCODED = frozenset({"acct", "cmd", "comm", "cwd", "data", "dir", "exe", "key", "name", "ocomm", "path", "proctitle"})
_REMEMBERED = 256  # serials whose records may come in between each other's


class Record(NamedTuple):
    """One record: of which host if it says so, its kind, its event, its text behind that, and all of it as fields.

    `time` counts microseconds since 1970 in UTC; all records of an event have the same time and `serial`. What the
    kernel wrote in hexadecimal is decoded in `fields`, and stands in `text` as it came.
    """

    node: str | None
    kind: str
    time: int
    serial: str
    text: str
    fields: dict[str, str]

    @property
    def event(self) -> str:
        """How its event is called in the log."""
        return self.fields["msg"]


def record(node: str | None, kind: str, time: int, serial: str, text: str) -> Record:
    """The record that says so."""
    fields = {"node": node} if node else {}
    fields |= {"type": kind, "msg": f"audit({time // 1_000_000}.{time // 1000 % 1000:03d}:{serial})"}
    for key, value in _pairs(text, kind):
        fields.setdefault(key, value)
    return Record(node, kind, time, serial, text, fields)


def is_one(line: bytes) -> bool:
    """Whether a line looks like an audit record."""
    return line.startswith((b"type=", b"node=")) and MARK in line[:400]


def parse(line: bytes) -> Record:
    """The record of a line.

    Raises:
        NotARecord: it is no audit record.
    """
    found = _LINE.fullmatch(line.decode(errors="replace"))
    if found is None:
        raise NotARecord("not an audit record")
    time = int(found["second"]) * 1_000_000 + int(found["milli"]) * 1000
    return record(found["node"], found["type"], time, found["serial"], found["rest"])


class Reader:
    """Reads the records of one stream: which of its serial a record is, depends on those before it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def read(self, one: Record) -> Found:
        """A record, known by its host, its event and its number in that."""
        number = self._number(one.node or "", str(one.time), one.serial)
        # Without a host's name two hosts' records could be taken for one.
        own = ("audit", one.node, str(one.time), one.serial, str(number)) if one.node else None
        return Found(dict(one.fields), orjson.dumps(one.fields), one.time, own)

    def _number(self, *event: str) -> int:
        key = (event[0], event[1], event[2])
        number = self._seen.pop(key, -1) + 1
        self._seen[key] = number
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return number


def _pairs(text: str, kind: str) -> list[tuple[str, str]]:
    found = []
    for pair in _PAIR.finditer(text):
        key, quoted, inner, bare = pair["key"], pair["quoted"], pair["inner"], pair["bare"]
        if inner is not None:  # a user-space message: its own pairs stand inside
            found += _pairs(inner, kind)
        elif quoted is not None:
            found.append((key, quoted))
        else:
            found.append((key, _decoded(bare) if _may_be_encoded(key, kind) else bare))
    return found


def _may_be_encoded(key: str, kind: str) -> bool:
    return key in _ENCODED or (kind == "EXECVE" and re.fullmatch(r"a\d+(\[\d+\])?", key) is not None)


def _decoded(text: str) -> str:
    if not _HEXADECIMAL.fullmatch(text):
        return text
    return bytes.fromhex(text).replace(b"\0", b" ").decode(errors="replace")
