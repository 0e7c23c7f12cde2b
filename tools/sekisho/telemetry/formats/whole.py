"""Files that are JSON but not one object a line: an array, or objects over several lines one behind the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import tzinfo
from io import BufferedIOBase
from typing import Any

import orjson

from sekisho.telemetry.formats import json_lines
from sekisho.telemetry.formats.found import Found, NotARecord

_LARGEST = 256 * 1024 * 1024  # octets; such a file is read as a whole
_KEPT = 64 * 1024  # of what cannot be read
_LINE = re.compile(r"\n([^\s\]},][^\n]*)")  # on which something begins: what is within something is written further in
_WRAPPED = "Records"  # as CloudTrail delivers its files


def is_one(head: bytes) -> bool:
    """Whether a stream that begins so is such a file."""
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line = first.partition(b"\n")[0].rstrip()
    array = first[:1] == b"[" and first[1:].lstrip()[:1] in {b"{", b"]"}  # else a line of text may begin so
    return array or (line == b"{" and len(first) > len(line)) or first.startswith(b'{"Records":[')


def records(head: bytes, file: BufferedIOBase, zone: tzinfo) -> Iterator[Found | NotARecord]:
    """The objects in their order; `head` was read of `file` before."""
    raw = head + file.read(_LARGEST + 1 - len(head))
    if len(raw) > _LARGEST:
        yield NotARecord("too large to be read as one JSON document; write one object a line", raw[:_KEPT])
        return
    text = raw.decode("utf-8-sig", errors="replace")
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace() or text[at] == ",":
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield NotARecord(f"not JSON: {error}", text[at : at + _KEPT].encode())
            yield from _lines(text, at, zone)
            return
        yield from _found(value, zone)


def _lines(text: str, at: int, zone: tzinfo) -> Iterator[Found | NotARecord]:
    """What stands behind what was no document after all: lines, of which some are objects."""
    for found in _LINE.finditer(text, at):
        try:
            value = json.loads(found[1].rstrip(", \r"))
        except (ValueError, RecursionError) as error:
            yield NotARecord(f"not JSON: {error}", found[1][:_KEPT].encode())
        else:
            yield from _found(value, zone)


def _found(value: Any, zone: tzinfo) -> Iterator[Found | NotARecord]:  # noqa: ANN401 - what JSON holds
    inner = value.get(_WRAPPED) if isinstance(value, dict) else value
    for one in inner if isinstance(inner, list) else [value]:
        if not isinstance(one, dict):
            yield NotARecord("JSON, but not an object", _beginning(one))
            continue
        try:
            source = orjson.dumps(one)
            yield json_lines.of_record(orjson.loads(source), source, zone)
        except (orjson.JSONEncodeError, orjson.JSONDecodeError, TypeError) as error:
            yield NotARecord(f"not JSON: {error}", _beginning(one))


def _beginning(value: Any) -> bytes:  # noqa: ANN401 - what JSON holds
    try:
        return json.dumps(value)[:_KEPT].encode()
    except RecursionError:  # it was just not too deep to be read
        return b""
