"""Up and down: a lab is made, found again and removed by its name alone."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from sekisho.core.errors import BadInput, Missing
from sekisho.lab import base as bases
from sekisho.lab import cgroup, journal, limits, netns, plan
from sekisho.lab.lab import Lab, Report
from sekisho.lab.topology import read as read_topology

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}


def find(name: str) -> Lab:
    """The lab that is up under this name.

    Raises:
        BadInput: there is none.
    """
    _require_root()
    entry = journal.read(_checked(name))
    if entry is not None and not entry.complete:
        raise BadInput(f"lab {name!r} was not made to its end", "wait for `sekisho lab up`, or run it again")
    if entry is None:
        others = ", ".join(journal.labs()) or "none"
        raise BadInput(f"no lab {name!r} is up on this machine (up: {others})", "sekisho lab up")
    return Lab(name, entry, read_topology(Path(entry.topology)).with_spares(entry.spares))


def up(name: str, state: Path, topology: Path, spares: int, report: Report) -> Lab:
    """Make a lab and boot it. What a crashed `up` left is removed first.

    Raises:
        BadInput: it is up already, or the topology has a fault.
        Missing: no root, or a program is not installed.
    """
    _require_root()
    _require_programs()
    whole = read_topology(topology).with_spares(spares)
    with journal.locked(_checked(name)):
        before = journal.read(name)
        if before is not None and before.complete:
            raise BadInput(
                f"lab {name!r} is up already (state {before.state})", "sekisho lab status, or lab down first"
            )
        cgroup.hierarchies()
        _remove(name, before)
        entry = journal.Entry(str(state.resolve()), str(topology.resolve()), "", spares)
        try:
            entry = replace(entry, base=str(bases.ensure(report)))
            journal.write(name, entry)
            if not netns.mounted():
                journal.note_netns_folder()
            lab = Lab(name, entry, whole)
            limits.allow(len(lab.machines()))
            lab.make(report)
            lab.entry = replace(entry, complete=True)
            journal.write(name, lab.entry)
        except BaseException:
            _remove(name, entry)
            _forget(name)
            raise
        return lab


def down(name: str) -> bool:
    """Remove everything that `up` made, also of one that crashed. Returns whether there was anything.

    Keys and secrets in the state folder stay: they are the state's, and the next `up` uses them.
    """
    _require_root()
    with journal.locked(_checked(name)):
        entry = journal.read(name)
        there = bool(entry or netns.of_lab(name) or cgroup.pids(name))
        _remove(name, entry)
        _forget(name)
    return there


def _forget(name: str) -> None:
    if journal.forget(name):
        netns.unmount()


def _remove(name: str, entry: journal.Entry | None) -> None:
    cgroup.kill(name)
    cgroup.remove(name)
    netns.end(netns.name(name, plan.CONTROL))  # connections that commands there keep open for later ones
    netns.delete(netns.of_lab(name))
    for left in Path("/run/systemd/nspawn/propagate").glob(f"sk-{name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    if entry is not None:
        shutil.rmtree(Path(entry.state) / "lab" / name, ignore_errors=True)


def _checked(name: str) -> str:
    # No dash: the names of lab `a` must never begin like those of lab `a-b`.
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
        raise BadInput(f"{name!r} cannot be a lab's name", "up to 16 lower-case letters and digits, a letter first")
    return name


def _require_root() -> None:
    if os.geteuid() != 0:
        raise Missing("the lab boots machines and needs root", "run it as root, for example with sudo")


def _require_programs() -> None:
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if missing:
        raise Missing(
            f"not installed on this machine: {', '.join(sorted(missing))}",
            f"apt-get install {' '.join(sorted(missing))}",
        )
