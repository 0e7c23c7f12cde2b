"""Network namespaces of a lab, named `sk-<lab>-<machine>`; nothing of them shows in the host's own."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sekisho.core.errors import SekishoError
from sekisho.core.process import run

_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
Result = TypeVar("Result")


def name(lab: str, machine: str) -> str:
    """The namespace of a machine. A lab's name has no dash, so that no lab's names begin like another's."""
    return f"sk-{lab}-{machine}"


def of_lab(lab: str) -> list[str]:
    """Every namespace of a lab that is there now."""
    return sorted(path.name for path in _FOLDER.glob(f"sk-{lab}-*")) if _FOLDER.is_dir() else []


def mounted() -> bool:
    """Whether iproute2's folder of namespaces is there, which it makes as a mount point of its own."""
    return any(line.split()[4] == str(_FOLDER) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def unmount() -> None:
    """Remove the folder again, if no namespace of anybody is in it."""
    if mounted() and not any(_FOLDER.iterdir()):
        run(["umount", _FOLDER], check=False)
        with suppress(OSError):
            _FOLDER.rmdir()


def add(namespaces: Iterable[str]) -> None:
    """Make namespaces, with their loopback up and nothing forwarded."""
    batch([f"netns add {namespace}" for namespace in namespaces])
    for namespace in namespaces:
        inside(namespace, _close)
        batch(["link set lo up"], namespace=namespace)


def _close() -> None:
    # A new namespace copies the host's IPv4 settings; a host that forwards would make every machine a router.
    for setting in ("ipv4/ip_forward", "ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"):
        path = Path("/proc/sys/net") / setting
        if path.exists():
            path.write_text("0")


def delete(namespaces: Iterable[str]) -> None:
    """Remove namespaces; one whose name is left over without a mount goes too."""
    for namespace in namespaces:
        done = run(["ip", "netns", "delete", namespace], check=False)
        if done.returncode:
            (_FOLDER / namespace).unlink(missing_ok=True)


def pids(namespace: str) -> list[int]:
    """The processes whose network this is."""
    told = run(["ip", "netns", "pids", namespace], check=False).stdout
    return [int(word) for word in told.split()]


def end(namespace: str) -> None:
    """End every process whose network this is, save ourselves, and wait until they are gone (2 s at most)."""
    until = time.monotonic() + 2.0
    while (left := set(pids(namespace)) - {os.getpid()}) and time.monotonic() < until:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def path(namespace: str) -> Path:
    """What `nsenter --net=` and systemd-nspawn take."""
    return _FOLDER / namespace


def batch(lines: Iterable[str], *, namespace: str = "") -> None:
    """Run `ip` commands in one process; the first that fails ends it.

    Raises:
        SekishoError: a command was refused.
    """
    text = "".join(f"{line}\n" for line in lines)
    if text:
        run(["ip", *(["-n", namespace] if namespace else []), "-batch", "-"], stdin=text.encode())


def inside(namespace: str, work: Callable[[], Result]) -> Result:
    """Call `work` on a thread of its own that is in the namespace; the caller stays where it is.

    Raises:
        SekishoError: there is no such namespace, or this process may not enter it.
    """
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def enter() -> None:
        try:
            handle = os.open(_FOLDER / namespace, os.O_RDONLY)
            try:
                if _LIBC.setns(handle, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(handle)
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - carried to the caller
            failure.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failure:
        if isinstance(failure[0], OSError):
            raise SekishoError(f"network namespace {namespace}: {failure[0]}") from failure[0]
        raise failure[0]
    return outcome[0]


_SIOCETHTOOL = 0x8946
_CHECKSUM_AND_SEGMENTATION = (0x15, 0x17, 0x1F, 0x24, 0x2C)  # ETHTOOL_SRXCSUM, STXCSUM, STSO, SGSO, SGRO


def offloads_off(interfaces: Iterable[str]) -> None:
    """Switch checksum and segmentation offload off, in the present namespace.

    A veth hands over packets whose checksum nobody has computed yet; a switch in userspace would pass them on so.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for interface in interfaces:
            for command in _CHECKSUM_AND_SEGMENTATION:
                value = ctypes.create_string_buffer(struct.pack("II", command, 0))
                request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
                fcntl.ioctl(handle, _SIOCETHTOOL, request)
