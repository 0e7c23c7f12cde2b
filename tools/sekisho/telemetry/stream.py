"""Lines of a file that an analyst was handed: plain, gz or zip, of any size, and broken in any way."""

from __future__ import annotations

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO, NamedTuple, cast

from sekisho.core.errors import BadInput, Missing
from sekisho.core.files import shown
from sekisho.core.language import Both
from sekisho.core.phrases import both

HEAD = 4096  # octets by which a file is known
LONGEST = 16 * 1024 * 1024  # octets of a line
_CHUNK = 1024 * 1024
_BLOCK = 8 * 1024 * 1024
_TOO_LONG = "the line is too long"
_KEPT = 64 * 1024  # octets that are kept of a line that is too long


_ZIP, _MARK = b"PK\x03\x04", b"\xef\xbb\xbf"
_UNPACK = Both("展開してから、中のファイルを指定する", "unpack it first, and name the files in it")
# What would be taken for lines that cannot be read: where its mark stands, what it is, and what to do.
_OTHERS = (
    (257, 262, {b"ustar"}, Both("tarアーカイブ", "a tar archive"), _UNPACK),
    (0, 4, {_ZIP}, Both("zipの中のzip", "a zip in another file"), _UNPACK),
    (
        *(0, 2, {b"\xff\xfe", b"\xfe\xff"}, Both("UTF-16の文書", "a text in UTF-16")),
        Both(
            "UTF-8に変換する。例: iconv -f UTF-16 -t UTF-8 FILE", "convert it to UTF-8: iconv -f UTF-16 -t UTF-8 FILE"
        ),
    ),
)


class Line(NamedTuple):
    """A line without its end, and where it begins in the decompressed stream."""

    offset: int
    data: bytes


class Broken(NamedTuple):
    """What is no line: too long, or the stream ends in the middle. `data` is the beginning of it."""

    offset: int
    data: bytes
    why: str

    @property
    def is_line(self) -> bool:
        """Whether it is a line that is too long."""
        return self.why == _TOO_LONG


class Source(NamedTuple):
    """One stream of a file; a zip has several. `whole` is the file on the disk: when it is plain, the stream itself."""

    name: str
    file: BufferedIOBase
    whole: BufferedIOBase

    @property
    def plain(self) -> bool:
        """Whether it lies in the file as it is."""
        return self.file is self.whole


def sources(path: Path) -> Iterator[Source]:
    """The streams of a file, by what it is and not by its name; each is open until the next is asked for.

    Raises:
        Missing: it is not there, or cannot be opened.
        BadInput: it is a zip that cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _no_file(path)  # to open a pipe would wait for who writes, and nothing in it could be read twice
        with path.open("rb") as file:
            if file.peek(4)[:4] == _ZIP:
                yield from _members(path, file)
            else:
                with _unpacked(shown(path), file) as stream:
                    yield Source(shown(path), stream, file)
    except OSError as error:
        why = both(str(error.strerror or error))
        raise Missing(
            Both(f"{shown(path)} を読めない: {why.ja}", f"{shown(path)} cannot be read: {why.en}"),
            Both("パスと権限を確認する", "check the path and its rights"),
        ) from error


def _no_file(path: Path) -> Missing:
    return Missing(
        Both(
            f"{shown(path)} を読めない: 通常のファイルではない", f"{shown(path)} cannot be read: it is no ordinary file"
        ),
        Both(
            "フォルダなら中のファイルを、パイプなら一度ファイルに保存して指定する",
            "name the files in a folder; save what a pipe brings to a file first",
        ),
    )


@contextmanager
def _unpacked(name: str, file: IO[bytes]) -> Iterator[BufferedIOBase]:
    """A file, or what is packed in it as gz.

    Raises:
        BadInput: it holds no lines, but something else that must be unpacked or converted first.
    """
    packed = _peek(file)[:2] == b"\x1f\x8b"
    with gzip.GzipFile(fileobj=file) if packed else nullcontext(file) as inside:
        head = _peek(inside)
        for begin, end, mark, kind, advice in _OTHERS:
            if head[begin:end] in mark:
                raise BadInput(Both(f"{name} は{kind.ja}", f"{name} is {kind.en}"), advice)
        yield cast("BufferedIOBase", inside)


def _peek(file: IO[bytes] | gzip.GzipFile) -> bytes:
    """The first octets, which stay to be read; empty when they cannot be: whoever reads on is told why."""
    try:
        return cast("BufferedReader", file).peek(512)
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile):
        return b""


def _members(path: Path, file: BufferedIOBase) -> Iterator[Source]:
    archived = shown(path)
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    name = f"{archived}!{entry.filename}"
                    with archive.open(entry) as member, _unpacked(name, member) as stream:
                        yield Source(name, stream, file)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # damaged, packed in a rare way, encrypted
        raise BadInput(
            Both(f"{archived} はzipとして読めない ({error})", f"{archived} is a zip that cannot be read ({error})"),
            Both("受け取り直す。暗号化されていれば先に解く", "ask for it again; if it is encrypted, open it first"),
        ) from error


class Chunks:
    """A stream in pieces; `head` is its first 4 KiB, or all of it, and is the first of the pieces."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._broken = ""
        self.head = b""
        while len(self.head) < HEAD and (more := self._read(HEAD - len(self.head))):
            self.head += more

    def __iter__(self) -> Iterator[bytes]:
        yield self.head
        while more := self._read(_CHUNK):
            yield more

    @property
    def broken(self) -> str:
        """Why the stream ended before its end; empty when it did not."""
        return self._broken

    def _read(self, size: int) -> bytes:
        if self._broken:
            return b""
        try:
            return self._file.read1(size)  # what comes before the fault; `read` would lose it with the fault
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            self._broken = f"the stream is broken: {error}"
            return b""


class Block(NamedTuple):
    """Whole lines, and where the first begins in the decompressed stream."""

    offset: int
    data: bytes


def blocks(chunks: Chunks, *, size: int = _BLOCK, longest: int = LONGEST) -> Iterator[Block | Broken]:
    """A stream in blocks of about `size` octets; memory holds one of them, and one line more at most."""
    begin, held = 0, bytearray()  # what is not handed out yet, and where it begins
    head, lost = b"", 0  # of a line that is too long: its beginning, and how much of it was let go
    for chunk in chunks:
        if not head and len(held) + len(chunk) >= size and (cut := chunk.rfind(b"\n") + 1):
            whole = not held and cut == len(chunk)
            data = chunk if whole else b"".join((held, memoryview(chunk)[:cut]))  # which copies once, not twice
            yield Block(begin, data)
            begin += len(data)
            held = bytearray(memoryview(chunk)[cut:])
            continue
        held += chunk
        if head:
            end = held.find(b"\n")
            if end < 0:
                lost += len(held)
                held.clear()
                continue
            yield Broken(begin, head, _TOO_LONG)
            begin, head, lost = begin + lost + end + 1, b"", 0
            del held[: end + 1]
        if len(held) >= size and (cut := held.rfind(b"\n") + 1):
            yield Block(begin, bytes(memoryview(held)[:cut]))
            begin += cut
            del held[:cut]
        if len(held) > longest and b"\n" not in held:
            head, lost = bytes(held[:_KEPT]), len(held)
            held.clear()
    cut = held.rfind(b"\n") + 1 if chunks.broken else len(held)
    if head:
        yield Broken(begin, head, _TOO_LONG)
    if cut:
        yield Block(begin, bytes(held[:cut]))
    if chunks.broken:
        yield Broken(begin + lost + cut, bytes(held[cut:][:_KEPT]), chunks.broken)


def rows(data: bytes) -> list[memoryview]:
    """What stands before, between and behind the ends of lines; nothing is copied."""
    found, begin, whole = [], 0, memoryview(data)
    while (end := data.find(b"\n", begin)) >= 0:
        found.append(whole[begin:end])
        begin = end + 1
    return [*found, whole[begin:]]


def lines(block: Block, *, longest: int = LONGEST) -> Iterator[Line | Broken]:
    """The lines of a block, empty ones left out."""
    offset = block.offset
    for part in block.data.split(b"\n"):
        if len(part) > longest:
            yield Broken(offset, part[:_KEPT], _TOO_LONG)
        elif line := part.rstrip(b"\r"):
            if offset == 0:  # what Windows puts in front of UTF-8
                line = line.removeprefix(_MARK)
            yield Line(offset, line)
        offset += len(part) + 1
