"""A stream in stretches of whole lines, each of which another process can read for itself.

Of a plain file only their ends are looked for here: whoever takes one opens the file again. What is packed is unpacked
here and handed over.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from sekisho.telemetry import stream
from sekisho.telemetry.stream import Block, Broken, Chunks, Source

_SMALLEST = 4 * 1024 * 1024
_SHARES = 8  # of what remains a stretch is one: the last ones are small, so that all who work end together
_AT_ONCE = 1024 * 1024  # octets that are read and split together: as much as a processor's cache holds
_LOOK = 64 * 1024
_NEAR = 16 * 1024  # octets; hardly any line is longer


class Stretch(NamedTuple):
    """Whole lines, or what is no line: where in the decompressed stream it begins, and what or which file has it.

    `reached` is how far into the file on the disk it goes.
    """

    offset: int
    length: int
    where: bytes | Path | Broken
    reached: int

    def blocks(self) -> Iterator[Block | Broken]:
        """The lines, a few at once, with their offsets in the stream."""
        if isinstance(self.where, Broken):
            yield self.where
        elif isinstance(self.where, bytes):
            yield from self._blocks(io.BytesIO(self.where))
        else:
            with self.where.open("rb", buffering=0) as file:
                yield from self._blocks(_Within(file, self.offset, self.length))

    def _blocks(self, file: BufferedIOBase) -> Iterator[Block | Broken]:
        for one in stream.blocks(Chunks(file), size=_AT_ONCE):
            yield one._replace(offset=self.offset + one.offset)


def of(source: Source, chunks: Chunks, largest: int) -> Iterator[Stretch]:
    """The stretches of a source, of which `chunks` is the stream: each of about `largest` octets at most."""
    if source.plain:
        yield from _lying(source.file, largest)
        return
    for one in stream.blocks(chunks):
        where = one if isinstance(one, Broken) else one.data
        yield Stretch(one.offset, len(one.data), where, source.whole.tell())


def _lying(file: BufferedIOBase, largest: int) -> Iterator[Stretch]:
    # Also when the file was renamed or removed meanwhile, this is the one that was opened.
    path = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    size, begin = os.fstat(file.fileno()).st_size, 0
    while begin < size:
        end = _line_end(file, begin + min(largest, max(_SMALLEST, (size - begin) // _SHARES)), size)
        yield Stretch(begin, end - begin, path, end)
        begin = end


def _line_end(file: BufferedIOBase, wanted: int, size: int) -> int:
    """Where the line ends that holds the octet before `wanted`."""
    if wanted >= size:
        return size
    file.seek(wanted - 1)
    while some := file.read(_LOOK):
        if (end := some.find(b"\n")) >= 0:
            return file.tell() - len(some) + end + 1
    return size


class _Within(BufferedIOBase):
    """The next octets of a file from one on, and no more of it."""

    def __init__(self, file: io.FileIO, begin: int, length: int) -> None:
        self._file, self._begin, self._end = file, begin, begin + length

    def read1(self, size: int = -1, /) -> bytes:
        """About as many octets, to the end of a line if that is near: what ends so need not be joined with the next."""
        number, begin, left = self._file.fileno(), self._begin, self._end - self._begin
        size = left if size < 0 else min(size, left)
        rest = os.pread(number, min(_NEAR, left - size), begin + size)
        some = os.pread(number, size + rest.find(b"\n") + 1, begin)
        self._begin += len(some)
        return some
