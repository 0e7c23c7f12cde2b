"""The spool's segment files: appended to, made durable, rolled. One writer; it may be killed at any moment.

A name is a number of 20 digits that is never used twice in a spool; a spool that is made anew has another id.
Everything below the open segment's number is whole; how much of the open one is durable stands in a file of its own,
outside of the spool, where it costs no disk and cannot be kept from being written by a full one. What a reader finds
within that length is never taken back.
"""

import errno
import fcntl
import os
import re
from pathlib import Path

NAME = re.compile(r"([0-9]{20})\.ndjson")
LARGEST = 16 * 1024 * 1024


def name_of(number):
    return f"{number:020d}.ndjson"


def numbers(folder):
    """The numbers of the segments that are there, in their order."""
    return sorted(int(found[1]) for path in Path(folder).iterdir() if (found := NAME.fullmatch(path.name)))


def replace(path, data, durable=True):
    """The file has its old content or the new one, never half of it."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as stream:
        stream.write(data)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    new.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def durable(path):
    """The open segment's number and durable length, or None when nobody has said."""
    try:
        number, length = Path(path).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    return int(number), int(length)


class Segments:
    """The writer's side. `spare` bytes of the disk are left to others.

    Raises OSError when there is already a writer, or the folder cannot be read.
    """

    def __init__(self, folder, status, spare=0, largest=LARGEST):
        self.folder, self.status, self.spare, self.largest = Path(folder), Path(status), spare, largest
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._handle = None
        self._good = 0  # durable bytes of the open segment
        self._dirty = False  # there may be bytes beyond them
        if not (self.folder / "id").exists():
            replace(self.folder / "id", os.urandom(16).hex().encode())
        there = numbers(self.folder)
        if there:
            self._settle(self.folder / name_of(there[-1]))
        self.number = max(self._last(), *there[-1:], 0) + 1
        self._tell()

    def append(self, blob):
        """Make whole lines durable. On OSError nothing of them counts, and the same may be tried again."""
        if self._dirty:
            self._take_back()
        if self._good and self._good + len(blob) > self.largest:
            self._close()
        self._leave_room(len(blob))
        if self._handle is None:
            self._open()
        self._dirty = True
        try:
            rest = memoryview(blob)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fdatasync(self._handle)
        except OSError:
            self._take_back()  # if even that fails, the next attempt begins with it
            raise
        self._dirty = False
        self._good += len(blob)
        self._tell()

    def close(self):
        if self._handle is not None:
            os.close(self._handle)
        os.close(self._lock)

    def _take_back(self):
        os.ftruncate(self._handle, self._good)
        self._dirty = False

    def _last(self):
        try:
            return int((self.folder / "last").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0

    def _settle(self, path):
        """The last run's segment: half a line at its end was never acknowledged; what is left is made durable."""
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            size = os.fstat(handle).st_size
            end = last_line_end(handle, size)
            if end != size:
                os.ftruncate(handle, end)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _leave_room(self, size):
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize - size < self.spare:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    def _open(self):
        replace(self.folder / "last", b"%d\n" % self.number)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(self.folder / name_of(self.number), flags, 0o640)
        except FileExistsError:
            self.number += 1  # an attempt that failed has left it, empty
            raise
        try:
            sync_folder(self.folder)
        except OSError:
            os.close(handle)
            raise
        self._handle = handle

    def _close(self):
        os.close(self._handle)
        self._handle = None
        self._good = 0
        self.number += 1
        self._tell()

    def _tell(self):
        # A length that is not told is too small, never too large: an acknowledgement does not wait for it.
        try:
            replace(self.status, b"%d %d\n" % (self.number, self._good), durable=False)
        except OSError as error:
            print(f"<4>{self.status}: {error.strerror}: control reads less than there is", flush=True)


def last_line_end(handle, size, begin=0):
    """Where the last whole line within begin and size ends; `begin` when there is none."""
    while size > begin:
        block = max(begin, size - 65536)
        found = os.pread(handle, size - block, block).rfind(b"\n")
        if found >= 0:
            return block + found + 1
        size = block
    return begin
