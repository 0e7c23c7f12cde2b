r"""Lines of the collector's spool: who sent what, when it arrived, and where it stood at its source.

    {"at": 1795489200000000, "peer": "pc-0001", "via": "relp",
     "raw": "<13>1 … [place@32473 file=\"/a.json\" offset=\"0\"] …"}

Who something is, is told by its source: a line of a file by the peer, the file, the offset and the line. A frame that
has no place did not come from our terminals; it is known by the peer and by all that stands in it, the time that the
sender gave it included. Where a line stands in the spool says nothing: a sender that was not heard sends it again.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64
from typing import Any, NamedTuple

import orjson

from sekisho.telemetry.formats.found import NotARecord

_KEYS = ({"at", "peer", "via", "raw"}, {"at", "peer", "via", "raw64"})
_END = 221_845_392_000_000_000  # the year 9000, in microseconds: a time in it can be reckoned with
_FRAME = re.compile(
    rb"<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?P<data>-|(?:\[(?:[^\]\\]|\\.)*+\])++)(?: (?:\xef\xbb\xbf)?(?P<line>.*))?",
    re.DOTALL,
)
_PLACE = re.compile(rb'\[place@32473 file="(?P<file>(?:[^"\]\\]|\\.)*+)" offset="(?P<offset>\d{1,18})"\]', re.DOTALL)


class Sent(NamedTuple):
    """What a peer sent: `raw` is what stood at `offset` of its `file`, `data` what of it is to be read.

    `at` is when it arrived, in microseconds since 1970 (UTC).
    """

    at: int
    peer: str
    file: str
    offset: int
    raw: bytes
    data: bytes


def may_be_one(line: bytes) -> bool:
    """Whether a line begins as the collector's do."""
    return line.startswith(b'{"at":')


def read(line: bytes) -> Sent | None:
    """What a line of the spool says; None if it is none.

    Raises:
        NotARecord: it is one, but what was sent cannot be told from it.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, dict) or record.keys() not in _KEYS or not _is_one(record):
        return None
    at, peer = record["at"], record["peer"]
    try:
        raw = record["raw"].encode() if "raw" in record else a2b_base64(record["raw64"], strict_mode=True)
    except (Error, ValueError) as error:
        raise NotARecord(f"the spool holds octets that are not in base64: {error}") from error
    if record["via"] == "lumberjack":
        return Sent(at, peer, "lumberjack", 0, raw, raw)
    frame = _FRAME.fullmatch(raw)
    inside = (frame["line"] or b"").rstrip(b"\r\n") if frame else b""
    if frame and (place := _PLACE.search(frame["data"])):
        file = re.sub(rb"\\(.)", rb"\1", place["file"], flags=re.DOTALL).decode(errors="replace")
        return Sent(at, peer, file, int(place["offset"]), inside, inside)
    speaks_for_itself = inside[:1] == b"{" or inside.startswith((b"type=", b"node="))
    return Sent(at, peer, "relp", 0, raw, inside if speaks_for_itself else raw.rstrip(b"\r\n"))


def _is_one(record: dict[str, Any]) -> bool:
    at, peer, sent = record["at"], record["peer"], record.get("raw", record.get("raw64"))
    return (
        type(at) is int
        and 0 <= at < _END
        and isinstance(peer, str)
        and record["via"] in ("relp", "lumberjack")
        and isinstance(sent, str)
    )
