"""One run at a time, also while only a child of a dead run is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekisho.core.errors import BadInput
from sekisho.migration.lock import RunLock, at_work

_RUN = """
import subprocess, sys, time
from pathlib import Path
from sekisho.migration.lock import RunLock
with RunLock(Path(sys.argv[1]), "a test") as lock:
    child = subprocess.Popen(["sleep", "60"], pass_fds=(lock.descriptor,))
    print(child.pid, flush=True)
    time.sleep(60)
"""


def _start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    run = subprocess.Popen([sys.executable, "-c", _RUN, str(folder)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    return run, int(run.stdout.readline())


def _alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    run, child = _start(tmp_path)
    try:
        with pytest.raises(BadInput, match="a test"), RunLock(tmp_path, "second"):
            pass
        there = at_work(tmp_path)
        assert there is not None
        assert (there.pid, there.what) == (run.pid, "a test")
    finally:
        run.kill()
        run.wait()
        os.kill(child, signal.SIGKILL)


def test_orphans_of_a_killed_run_are_ended_before_the_next_begins(tmp_path: Path) -> None:
    run, child = _start(tmp_path)
    run.kill()
    run.wait()
    assert _alive(child)
    assert at_work(tmp_path) is None  # its child is no run
    with RunLock(tmp_path, "second") as lock:
        assert lock.orphans == [child]
        deadline = time.monotonic() + 5
        while _alive(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not _alive(child)


def test_the_lock_is_free_after_a_run(tmp_path: Path) -> None:
    with RunLock(tmp_path, "first"):
        pass
    with RunLock(tmp_path, "second") as lock:
        assert lock.orphans == []
