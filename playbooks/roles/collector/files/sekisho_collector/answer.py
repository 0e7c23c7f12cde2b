"""What control may ask of the spool, through one SSH key with this as its forced command.

    list                    {"spool": id, "now": µs, "segments": [{"name", "size", "open"}], "heard": {peer: µs}}
    read NAME OFFSET LIMIT  the segment's bytes from OFFSET on: whole lines, about LIMIT bytes, at least one line
    release NAME…           the segments are removed, none if one of them is open; done twice it is done once

Nothing is shown that the collector has not made durable. Exit codes: 0, 2 for what cannot be asked so, 1 for the rest.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

from sekisho_collector import heard
from sekisho_collector.segments import NAME, durable, last_line_end, name_of, numbers, sync_folder

LIMIT = 64 * 1024 * 1024  # bytes of one answer, unless its first line is longer
NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


class RequestError(Exception):
    """The request cannot be carried out; the text says why."""


class Spool:
    """A reader's view. What the open segment holds beyond its durable length is not there yet."""

    def __init__(self, folder, status):
        self.folder = Path(folder)
        told = durable(status)  # before the folder: a segment that is newer than this has nothing durable yet
        self.there = numbers(folder)
        self.open, self.length = told or (self.there[-1] if self.there else 1, 0)

    def size(self, number):
        if number >= self.open:
            return self.length if number == self.open else 0
        return (self.folder / name_of(number)).stat().st_size

    def list(self):
        segments = []
        for number in self.there:
            try:
                segments.append({"name": name_of(number), "size": self.size(number), "open": number >= self.open})
            except FileNotFoundError:
                continue  # released meanwhile
        kept = heard.read(self.folder / "heard.json")
        name = (self.folder / "id").read_text(encoding="ascii")
        return {"spool": name, "now": time.time_ns() // 1000, "segments": segments, "heard": kept}

    def read(self, name, offset, limit, out):
        number, offset, limit = _segment(name), _number(offset), _number(limit)
        try:
            handle = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise RequestError(f"{name} is not there") from None
        try:
            size = self.size(number)
            if offset > size or (offset and os.pread(handle, 1, offset - 1) != b"\n"):
                raise RequestError(f"at {offset} of {name} no line begins")
            end = last_line_end(handle, min(size, offset + min(limit, LIMIT)), offset)
            if end == offset:
                end = _line_end(handle, offset, size)
            while block := os.pread(handle, min(1024 * 1024, end - offset), offset):
                offset += out.write(block)
        finally:
            os.close(handle)

    def release(self, names):
        for name in names:
            if _segment(name) >= self.open:
                raise RequestError(f"{name} is not closed")
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)


def _segment(name):
    found = NAME.fullmatch(name)
    if not found:
        raise RequestError("a segment is named by 20 digits and .ndjson")
    return int(found[1])


def _number(text):
    if not NUMBER.fullmatch(text):
        raise RequestError("OFFSET and LIMIT are numbers")
    return int(text)


def _line_end(handle, offset, size):
    """Where the line that begins at offset ends; offset, when it has no end."""
    at = offset
    while at < size:
        block = os.pread(handle, min(1024 * 1024, size - at), at)
        found = block.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(block)
    return offset


def answer(command, folder, status, out):
    """Carry out one command line. Raises RequestError, OSError."""
    spool = Spool(folder, status)
    match command.split(" "):
        case ["list"]:
            out.write(json.dumps(spool.list()).encode() + b"\n")
        case ["read", name, offset, limit]:
            spool.read(name, offset, limit, out)
        case ["release", _, *_] as words:
            spool.release(words[1:])
        case _:
            raise RequestError("it is one of: list, read NAME OFFSET LIMIT, release NAME…")


def main(folder, status):
    try:
        answer(os.environ.get("SSH_ORIGINAL_COMMAND", ""), folder, status, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except RequestError as wrong:
        print(f"spool: {wrong}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"spool: {error}", file=sys.stderr)
        return 1
    return 0
