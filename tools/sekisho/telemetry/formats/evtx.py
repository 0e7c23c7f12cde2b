"""Windows event log files (EVTX): a stream of binary chunks, which the library `evtx` reads."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC
from io import BufferedIOBase
from typing import Any

import evtx
import orjson

from sekisho.telemetry.formats import json_lines
from sekisho.telemetry.formats.found import Found, NotARecord

MAGIC = b"ElfFile\0"
_HEADER, _CHUNK, _CHUNKS = 4096, 65536, slice(42, 44)  # octets of the file's header and of a chunk; how many chunks


def records(head: bytes, file: BufferedIOBase) -> Iterator[Found | NotARecord]:
    """The records of a file in its order, and in their place what cannot be read; `head` was read of `file` before."""
    with tempfile.TemporaryFile() as whole:  # the library goes back and forth, which a stream from a zip cannot
        whole.write(head)
        shutil.copyfileobj(file, whole, 1024 * 1024)
        size, _ = whole.tell(), whole.seek(0)
        try:
            yield from _records(evtx.PyEvtxParser(whole))
        except (RuntimeError, OSError, ValueError) as error:
            yield NotARecord(f"the event log is damaged: {error}")
        if size < _HEADER or size < _HEADER + _CHUNK * int.from_bytes(head[_CHUNKS], "little"):
            yield NotARecord("the event log is cut off")


def _records(parser: Any) -> Iterator[Found | NotARecord]:  # noqa: ANN401 - it has no types
    found = parser.records_json()
    while True:
        try:
            one = next(found)
        except StopIteration:
            return
        except (RuntimeError, OSError, ValueError) as error:
            yield NotARecord(f"a damaged record: {error}")
            continue
        source = one["data"].encode()
        yield json_lines.of_record(orjson.loads(source), source, UTC)
