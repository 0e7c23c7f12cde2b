"""One run at a time: a lock that the run's children hold too, and the end of orphans that a killed run left.

A run holds the lock shared, and so does each of its children. Whoever starts asks for it exclusively first, which fails
as long as the run or any child of it lives. If the run itself is dead, those that are left are its orphans.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from sekisho.core.clock import japan, stamp
from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.core.language import Both
from sekisho.core.phrases import both

_PATIENCE = 10.0  # seconds for killed orphans to be gone


class RunLock:
    """The lock of a state folder, as a context manager.

    `orphans` holds the process ids that were ended on entry.
    Raises on entry:
        BadInput: another run is alive.
        Missing: the lock cannot be written.
    """

    def __init__(self, folder: Path, purpose: str) -> None:
        self.path = folder / "run.lock"
        self.orphans: list[int] = []
        self._purpose = purpose
        self._stream: IO[str] | None = None

    def __enter__(self) -> Self:
        with self._writing():
            self._stream = self.path.open("a+", encoding="utf-8")
        if not self._try(fcntl.LOCK_EX):
            self._end_orphans()
        self._sign(self._stream)
        if not self._try(fcntl.LOCK_SH):  # converting is not atomic: someone may have come between
            raise BadInput(
                Both("別の実行が同時に始まった", "another run started at the same moment"),
                Both("終わるのを待つ", "wait for it to end"),
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def descriptor(self) -> int:
        """The open file that a child started by us inherits (`pass_fds`)."""
        if self._stream is None:
            raise SekishoError(Both("実行の排他ロックを持っていない", "the run's lock is not held"))
        return self._stream.fileno()

    def _sign(self, stream: IO[str]) -> None:
        """Say in the file who holds it."""
        said = {"pid": os.getpid(), "born": _born(os.getpid()), "at": stamp(), "what": self._purpose}
        with self._writing():
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps(said))
            stream.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = both(str(error.strerror))
            raise Missing(
                Both(f"{self.path}: {why.ja}", f"{self.path}: {why.en}"),
                Both("フォルダの所有者・権限・空き容量を確認する", "check the folder's owner, rights and free space"),
            ) from error

    def _try(self, kind: int) -> bool:
        if self._stream is None:
            return False
        try:
            fcntl.flock(self._stream, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _end_orphans(self) -> None:
        if there := at_work(self.path.parent):
            raise BadInput(
                Both(
                    f"別の実行が進行中: {there.what} (プロセス {there.pid}、{japan(there.since)} 開始)",
                    f"another run is at work: {there.what} (process {there.pid}, since {there.since})",
                ),
                Both("終わるのを待ってから、もう一度実行する", "wait for it to end, and run this again"),
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._try(fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise BadInput(
                    Both(
                        f"終わった実行の残りのプロセスが {self.path} を離さない",
                        f"processes of a dead run hold {self.path} and do not end",
                    ),
                    Both("fuser -v run.lock で確認する", "look with: fuser -v run.lock"),
                )
            for process in _tree(_holders(self.path)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                self.orphans.append(process)
            time.sleep(0.05)
        self.orphans = sorted(set(self.orphans))


@dataclass(frozen=True)
class Run:
    """A run that is alive: its process, when it began (UTC), and what it does."""

    pid: int
    since: str
    what: str


def at_work(folder: Path) -> Run | None:
    """The run that holds the lock of a state folder, if it is alive; asking takes no lock."""
    try:
        said = json.loads((folder / "run.lock").read_text(encoding="utf-8"))
        one, born = Run(int(said["pid"]), str(said["at"]), str(said["what"])), said["born"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return one if _born(one.pid) == born else None


def _born(process: int | str) -> int:
    """When the process started, in clock ticks since boot; -1 when there is none. A reused id has another birth."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[19])


def _holders(path: Path) -> set[int]:
    """Processes, not ourselves, that have the lock's file open."""
    wanted = path.stat()
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):
            for link in (folder / "fd").iterdir():
                with suppress(OSError):
                    state = link.stat()
                    if (state.st_ino, state.st_dev) == (wanted.st_ino, wanted.st_dev):
                        found.add(int(folder.name))
                        break
    return found


def _tree(roots: set[int]) -> set[int]:
    """`roots` and all that they started: an ssh of an orphan does not hold the lock, but works for it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        if process not in found:
            found.add(process)
            waiting += children.get(process, [])
    return found - {os.getpid()}
