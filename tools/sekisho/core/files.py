"""Files that are either wholly there or not there at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sekisho.core.errors import Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both


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


def unwritten(path: Path, error: OSError) -> Missing:
    """What is told when `path` could not be written."""
    why = both(str(error.strerror))
    return Missing(
        Both(f"{path} に書き込めない: {why.ja}", f"cannot write {path}: {why.en}"),
        Both("空き容量を確保するか、フォルダの所有者を確認する", "free space or check the folder's owner"),
    )
