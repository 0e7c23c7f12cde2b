"""What lies in an archive, zip or tar.gz, entry by entry: measured before it is unpacked, for it comes from outside.

Nothing here writes to the disk under a name from the archive.
"""

from __future__ import annotations

import gzip
import io
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both

LARGEST = 4 * 1024 * 1024  # octets of an entry that is read
_ARCHIVE = 64 * 1024 * 1024
_UNPACKED = 256 * 1024 * 1024
_ENTRIES = 50_000
_PIECE = 1024 * 1024
_CENTRAL = b"PK\x01\x02"  # begins what a zip says of each of its entries
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HINT = Both(
    "何も変えていない。SigmaHQの配布ページから取り直し、SHA-256を確かめる",
    "nothing was changed; fetch it again from SigmaHQ's releases, and compare its SHA-256",
)
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError, KeyError, IndexError),
    *(NotImplementedError, RuntimeError, RecursionError, OverflowError),
)


class Entry(NamedTuple):
    """A file in it: its name as steps from the archive's top; `read` gives its content, of LARGEST octets at most."""

    steps: tuple[str, ...]
    read: Callable[[], bytes]


class Archive(NamedTuple):
    """An archive's files in their order; `commit` is that of the source, if it says so."""

    sha256: str
    commit: str | None
    entries: tuple[Entry, ...]


def refused(path: Path, ja: str, en: str) -> BadInput:
    """What is told of an archive that is not taken."""
    return BadInput(Both(f"{path}: {ja}", f"{path}: {en}"), _HINT)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive, to be looked at.

    Raises:
        Missing: it is not there, or cannot be read.
        BadInput: it is none, is damaged, too large, or made to harm; also when an entry is read.
    """
    raw = _content(path)
    try:
        if raw[:4] == b"PK\x03\x04":
            if raw.count(_CENTRAL) > _ENTRIES:  # each of them takes memory when it is opened
                raise _too_many(path)
            with zipfile.ZipFile(io.BytesIO(raw)) as packed:
                comment = packed.comment.decode("latin-1")
                yield Archive(sha256(raw).hexdigest(), _commit(comment), tuple(_zipped(path, packed)))
        elif raw[:2] == b"\x1f\x8b":
            with tempfile.TemporaryFile() as file:
                _unpack(path, raw, file)
                with tarfile.open(fileobj=file, mode="r:") as tape:
                    comment = tape.pax_headers.get("comment", "")
                    yield Archive(sha256(raw).hexdigest(), _commit(comment), tuple(_taped(path, tape, file)))
        else:
            raise refused(path, "zipでもtar.gzでもない", "neither a zip nor a tar.gz")
    except _BROKEN as error:
        raise refused(path, f"壊れている ({error})", f"damaged ({error})") from error


def _content(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise refused(path, "通常のファイルではない", "no ordinary file")
        with path.open("rb") as file:
            raw = file.read(_ARCHIVE + 1)
    except OSError as error:
        why = both(str(error.strerror))
        raise Missing(
            Both(f"{path} を読めない: {why.ja}", f"{path} cannot be read: {why.en}"),
            Both("パスと権限を確認する", "check the path and its rights"),
        ) from error
    if len(raw) > _ARCHIVE:
        raise _too_large(path)
    return raw


def _unpack(path: Path, raw: bytes, file: IO[bytes]) -> None:
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        while piece := stream.read(_PIECE):
            if file.tell() + len(piece) > _UNPACKED:
                raise _too_large(path)
            file.write(piece)
    file.seek(0)


def _zipped(path: Path, packed: zipfile.ZipFile) -> Iterator[Entry]:
    total = 0
    for one in packed.infolist():
        kind = stat.S_IFMT(one.external_attr >> 16)
        steps = _steps(path, one.filename)
        if one.is_dir():
            continue
        if kind not in {0, stat.S_IFREG}:
            raise _special(path, one.filename)
        if one.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:  # others unpack without a bound
            raise refused(path, f"{one.filename} の圧縮方式は使えない", f"{one.filename} is packed in a rare way")

        def read(one: zipfile.ZipInfo = one) -> bytes:
            nonlocal total
            with packed.open(one) as stream:
                data = stream.read(LARGEST + 1)
            total += len(data)
            if len(data) > LARGEST or total > _UNPACKED:
                raise _too_large(path)
            return data

        yield Entry(steps, read)


def _taped(path: Path, tape: tarfile.TarFile, file: IO[bytes]) -> Iterator[Entry]:
    count = 0
    while (one := tape.next()) is not None:
        count += 1
        if count > _ENTRIES:
            raise _too_many(path)
        steps = _steps(path, one.name)
        if one.isdir():
            continue
        if not one.isreg() or one.issparse():
            raise _special(path, one.name)

        def read(one: tarfile.TarInfo = one) -> bytes:
            stream = tape.extractfile(one)
            if one.size > LARGEST or stream is None:
                raise _too_large(path)
            return stream.read()

        yield Entry(steps, read)
    file.seek(tape.offset)  # a header that cannot be read ends it in silence, as the zeros do that stand at its end
    while piece := file.read(_PIECE):
        if piece.strip(b"\0"):
            raise refused(path, "途中から読めない", "cannot be read from its middle on")


def _steps(path: Path, name: str) -> tuple[str, ...]:
    """A name in an archive, which must not lead out of it."""
    steps = PurePosixPath(name).parts
    shown = name.encode("unicode_escape").decode()[:200]
    if not steps or name.startswith("/") or ".." in steps or "\\" in name or re.match("[A-Za-z]:", name):
        raise refused(path, f"外を指す名前がある: {shown}", f"a name that leads out of it: {shown}")
    if not name.isprintable() or len(steps) > 20 or any(len(one.encode(errors="replace")) > 200 for one in steps):
        raise refused(path, f"使えない名前がある: {shown}", f"a name that cannot be used: {shown}")
    return steps


def _commit(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _special(path: Path, name: str) -> BadInput:
    return refused(path, f"リンクまたは特殊ファイルがある: {name}", f"a link, or no ordinary file, is in it: {name}")


def _too_many(path: Path) -> BadInput:
    return refused(path, f"ファイルが{_ENTRIES:,}個を超えている", f"more than {_ENTRIES:,} files are in it")


def _too_large(path: Path) -> BadInput:
    size = _UNPACKED // 1024 // 1024
    return refused(
        path,
        f"大きすぎる(展開後{size} MiB、1ファイル{LARGEST // 1024 // 1024} MiBまで)",
        f"too large: at most {size} MiB unpacked, and {LARGEST // 1024 // 1024} MiB a file",
    )
