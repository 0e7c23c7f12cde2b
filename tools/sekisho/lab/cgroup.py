"""A control group a machine: the sure way to find, and to end, every process that belongs to it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from sekisho.core.errors import Missing, SekishoError

_ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """The hierarchies that systemd in a container looks at: the unified one, and on a mixed host systemd's own.

    Raises:
        Missing: no control groups are mounted.
    """
    found = [path for path in (_ROOT, _ROOT / "unified", _ROOT / "systemd") if (path / "cgroup.procs").exists()]
    if not found:
        raise Missing("no control groups are mounted on /sys/fs/cgroup", "boot with systemd, or mount cgroup2 there")
    if not os.access(found[0], os.W_OK):
        raise Missing("/sys/fs/cgroup is read-only", "the lab cannot run in this container; run it on a machine")
    return found


def make(lab: str, machine: str) -> list[Path]:
    """The machine's group in every hierarchy."""
    groups = [root / f"sekisho.{lab}" / machine for root in hierarchies()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    return groups


def pids(lab: str, machine: str = "") -> set[int]:
    """Every process in the machine's groups, those of its own groups inside them included; all machines' without."""
    found: set[int] = set()
    for root in hierarchies():
        for folder, _, _ in os.walk(root / f"sekisho.{lab}" / machine):
            with suppress(OSError):  # the group went away meanwhile
                found.update(int(word) for word in (Path(folder) / "cgroup.procs").read_text().split())
    return found - {0}


def kill(lab: str, machine: str = "", *, patience: float = 10.0) -> None:
    """End every process of a machine (of all machines without one), at once.

    A process is held by its pidfd and asked for again in the group before it is killed, so that a number that was
    given anew meanwhile is never hit.

    Raises:
        SekishoError: something was still there after `patience` seconds.
    """
    until = time.monotonic() + patience
    while found := pids(lab, machine):
        handles: dict[int, int] = {}
        for pid in found:
            with suppress(ProcessLookupError):
                handles[pid] = os.pidfd_open(pid)
        still = pids(lab, machine)
        for pid, handle in handles.items():
            if pid in still:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        if time.monotonic() > until:
            raise SekishoError(f"processes of lab {lab} do not end: {sorted(found)}", "look at them with ps")
        time.sleep(0.02)


def remove(lab: str, machine: str = "") -> None:
    """Remove the groups, which must be empty of processes."""
    for root in hierarchies():
        top = root / f"sekisho.{lab}" / machine
        if not top.is_dir():
            continue
        for folder, _, _ in os.walk(top, topdown=False):
            for _ in range(50):
                try:
                    Path(folder).rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:  # the kernel is not done with the last process yet
                    time.sleep(0.02)
