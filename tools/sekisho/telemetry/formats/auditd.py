"""Lines of the Linux audit log: `type=EXECVE msg=audit(1604994496.155:92733): argc=2 a0="arp" a1="-a"`."""

from __future__ import annotations

import re
from collections import OrderedDict

import orjson

from sekisho.telemetry.formats.found import Found, NotARecord

MARK = b" msg=audit("
_LINE = re.compile(
    r"(?:node=(?P<node>\S+) )?type=(?P<type>[\w\[\]]+) "
    r"msg=audit\((?P<second>\d{1,11})\.(?P<milli>\d{3}):(?P<serial>\d+)\): ?(?P<rest>.*)",
    re.DOTALL,
)
_PAIR = re.compile(r"""(?P<key>[\w-]+)=(?:"(?P<quoted>[^"]*)"|'(?P<inner>[^']*)'|(?P<bare>[^\s\x1d]*))""")
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})+")
# What the kernel writes in hexadecimal when it has a blank, a quote or a control character, and plain in quotes else.
_ENCODED = {
    "acct",
    "cmd",
    "comm",
    "cwd",
    "data",
    "exe",
    "key",
    "name",
    "path",
    "proctitle",
    "dir",
    "ocomm",
    "old",
    "new",
}
_REMEMBERED = 256  # serials whose records may come in between each other's


def is_one(line: bytes) -> bool:
    """Whether a line looks like an audit record."""
    return line.startswith((b"type=", b"node=")) and MARK in line[:400]


class Reader:
    """Reads the lines of one stream: which record of its serial a line is, depends on those before it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def read(self, line: bytes) -> Found:
        """The record of a line.

        Raises:
            NotARecord: it is no audit record.
        """
        found = _LINE.fullmatch(line.decode(errors="replace"))
        if found is None:
            raise NotARecord("not an audit record")
        record: dict[str, str] = {"node": found["node"]} if found["node"] else {}
        record |= {"type": found["type"], "msg": f"audit({found['second']}.{found['milli']}:{found['serial']})"}
        for key, value in _pairs(found["rest"], found["type"]):
            record.setdefault(key, value)
        time = int(found["second"]) * 1_000_000 + int(found["milli"]) * 1000
        number = self._number(found["node"] or "", str(time), found["serial"])
        # Without a host's name two hosts' records could be taken for one.
        own = ("audit", found["node"], str(time), found["serial"], str(number)) if found["node"] else None
        return Found(dict(record), orjson.dumps(record), time, own)

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
