"""What is known of a lab while it is there: one folder in /run, which a reboot clears as it clears the lab."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sekisho.core.errors import BadInput
from sekisho.core.files import write_atomic

_RUN = Path("/run/sekisho")


@dataclass(frozen=True)
class Entry:
    """Written before anything of a lab is made. `complete` once all of it is up."""

    state: str
    topology: str
    base: str
    spares: int
    complete: bool = False


def folder(lab: str) -> Path:
    """The lab's folder in /run."""
    return _RUN / lab


def read(lab: str) -> Entry | None:
    """The lab's entry, or None when there is no such lab."""
    try:
        return Entry(**json.loads((folder(lab) / "lab.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write(lab: str, entry: Entry) -> None:
    """Keep the lab's entry."""
    write_atomic(folder(lab) / "lab.json", json.dumps(asdict(entry)), mode=0o600)


def labs() -> list[str]:
    """The names of all labs of this machine."""
    return sorted(path.parent.name for path in _RUN.glob("*/lab.json"))


@contextmanager
def locked(lab: str) -> Iterator[None]:
    """Only one command makes or removes a lab at a time. The lock is the folder itself.

    Raises:
        BadInput: another command is at it.
    """
    while True:
        folder(lab).mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder(lab), os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise BadInput(f"another command is starting or stopping lab {lab!r}", "wait for it to end") from error
        # The folder may have been removed between opening and locking it.
        if folder(lab).is_dir() and os.fstat(handle).st_ino == folder(lab).stat().st_ino:
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


def note_netns_folder() -> None:
    """Keep in mind that the folder of network namespaces was not there before the first lab."""
    (_RUN / ".netns-folder-is-ours").touch()


def forget(lab: str) -> bool:
    """Remove the lab's folder. Answers whether it was the last lab and the folder of namespaces is ours to remove."""
    shutil.rmtree(folder(lab), ignore_errors=True)
    note = _RUN / ".netns-folder-is-ours"
    ours = note.exists() and not labs()
    if ours:
        note.unlink()
    with suppress(OSError):  # other labs are there
        _RUN.rmdir()
    return ours
