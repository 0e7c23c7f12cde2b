"""Files that are either wholly there or not there at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both


def shown(path: Path) -> str:
    """A path as text that can be written anywhere: what is no UTF-8 in it by the numbers of its octets."""
    return os.fsencode(path).decode(errors="backslashreplace")


def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Replace `path` by `data` in one step, durably; a crash leaves the old file or the new one.

    Raises:
        Missing: the file cannot be written (disk full, no right).
    """
    raw = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise unwritten(path, error) from error


@contextmanager
def alone(path: Path, busy: Both) -> Iterator[None]:
    """What only one process may do at a time, by a lock on `path` that ends with the process.

    Raises:
        BadInput: another process does it; `busy` is what is then told.
        Missing: the file cannot be written.
    """
    try:
        lock = path.open("a")
    except OSError as error:
        raise unwritten(path, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(busy, Both("終わるのを待つ", "wait for it to end")) from error
        yield


def unwritten(path: Path, error: OSError) -> Missing:
    """What is told when `path` could not be written."""
    why = both(str(error.strerror))
    return Missing(
        Both(f"{path} に書き込めない: {why.ja}", f"cannot write {path}: {why.en}"),
        Both("空き容量を確保するか、フォルダの所有者を確認する", "free space or check the folder's owner"),
    )
