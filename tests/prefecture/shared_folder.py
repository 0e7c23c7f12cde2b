"""One folder that several machines of the lab have mounted, as they would a file server's.

A machine has no network file system that this kernel could mount, so the folder itself is: a copy of its mount is taken
here and put into the machine's own mount namespace (open_tree(2), move_mount(2)).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from sekisho.lab.lab import Lab

_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the same on every architecture
_CLONE, _CLOEXEC = 1, os.O_CLOEXEC
_TREE_IS_EMPTY_PATH = 4  # the tree is named by its descriptor
_HERE = -100  # AT_FDCWD
_MOUNTS = 0x20000  # CLONE_NEWNS
_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def mount(lab: Lab, folder: Path, machine: str, where: str) -> None:
    """Mount a folder of this machine at `where` on a machine of the lab.

    Raises:
        OSError: the kernel refused.
    """
    words = lab.command(machine, ["true"])
    leader = words[words.index("--target") + 1]
    tree = _done(_libc.syscall(_OPEN_TREE, _HERE, os.fsencode(folder), _CLONE | _CLOEXEC))
    try:
        if (child := os.fork()) == 0:
            os._exit(_put(tree, leader, where))
        if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise OSError(code, os.strerror(code), where)
    finally:
        os.close(tree)


def _put(tree: int, leader: str, where: str) -> int:
    """In a process of its own, for there is no way back out of the machine; the error's number, 0 if it is done."""
    try:
        namespace = os.open(f"/proc/{leader}/ns/mnt", os.O_RDONLY)
        root = os.open(f"/proc/{leader}/root", os.O_RDONLY)
        _done(_libc.setns(namespace, _MOUNTS))
        os.fchdir(root)
        os.chroot(".")
        Path(where).mkdir(parents=True, exist_ok=True)
        _done(_libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(where), _TREE_IS_EMPTY_PATH))
    except OSError as error:
        return error.errno or 1
    return 0
