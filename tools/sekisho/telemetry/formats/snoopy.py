"""What snoopy writes where no auditd can: a line for each call of execve, in the format that the playbook sets.

    pid=8 ppid=7 uid=0 euid=0 user=root tty=(none) sid=1 cwd=/tmp//file=/bin/true//cmd=/bin/true -v

snoopy escapes nothing. Numbers and names come first, for they hold no blank. A folder as the kernel tells it never has
two slashes in a row, so the first two after `cwd=` end it. The path of a program may hold `//cmd=`, but only beneath a
folder of that name: what is read as Image then is a folder of the user's own, and never a real program. The arguments
come last, and may be anything; snoopy joins them with blanks and cuts them at 2,047 octets.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

PROVIDER = "snoopy"
MESSAGE_FORMAT = (
    "pid=%{pid} ppid=%{ppid} uid=%{uid} euid=%{euid} user=%{username} tty=%{tty} sid=%{sid}"
    " cwd=%{cwd}//file=%{filename}//cmd=%{cmdline}"
)
_MESSAGE = re.compile(
    r"pid=(?P<pid>\d{1,10}) ppid=(?P<ppid>\d{1,10}) uid=(?P<uid>\d{1,10}) euid=\d{1,10} user=(?P<user>\S+) tty=\S+"
    r" sid=\d{1,10} cwd=(?P<rest>.*)",
    re.DOTALL,
)


class Call(NamedTuple):
    """A call of execve; `cwd` is empty where the folder was gone."""

    pid: str
    parent: str
    uid: str
    user: str
    cwd: str
    image: str
    command_line: str


def read(message: str) -> Call | None:
    """The call that a message tells of; None if it is no message of snoopy in this format."""
    found = _MESSAGE.fullmatch(message)
    if found is None:
        return None
    rest = found["rest"]
    root = rest.startswith("///file=")
    cwd, folder_ends, rest = ("/", "//", rest[3:]) if root else rest.partition("//")
    file, file_ends, command_line = rest.removeprefix("file=").partition("//cmd=")
    if not (folder_ends and file_ends and rest.startswith("file=")):
        return None
    if not cwd.startswith("/"):  # snoopy's own error message
        cwd = ""
    image = file if file.startswith("/") or not cwd else posixpath.join(cwd, file.removeprefix("./"))
    return Call(found["pid"], found["ppid"], found["uid"], found["user"], cwd, image, command_line)
