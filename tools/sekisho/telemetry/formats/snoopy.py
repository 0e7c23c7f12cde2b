"""What snoopy writes where no auditd can: a line for each call of execve, in the format that the playbook sets.

    v1 pid=8 ppid=7 uid=0 user=root tty=(none) cwd=/tmp//file=/bin/true//cmd=/bin/true -v

snoopy escapes nothing. Numbers and names come first, in any order, for they hold no blank. A folder as the kernel tells
it never has two slashes in a row, so the first two after `cwd=` end it. The path of a program may hold `//cmd=`, but
only beneath a folder of that name: what is read as Image then is a folder of the user's own, and never a real program.
The arguments come last, and may be anything; snoopy joins them with blanks and cuts them at 2,047 octets.

It tells of calls and not of starts: one that failed has a line too, such as for a program that is not there.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

PROVIDER = "snoopy"
_NUMBERS = re.compile(r"(?:v1 )?(?P<pairs>(?:\w++=[^\s|=]++ )*?)cwd=(?P<rest>.*)", re.DOTALL)


class Call(NamedTuple):
    """A call of execve; `cwd` is empty where the folder was gone, `user` where only the number is told."""

    pid: str
    parent: str
    uid: str
    user: str
    cwd: str
    image: str
    command_line: str


def read(message: str) -> Call | None:
    """The call that a message tells of; None if it is no message of snoopy in this format."""
    found = _NUMBERS.fullmatch(message)
    if found is None:
        return None
    told = dict(pair.split("=") for pair in found["pairs"].split())
    pid, parent, uid = (told.get(key, "") for key in ("pid", "ppid", "uid"))
    rest = found["rest"]
    root = rest.startswith("///file=")
    cwd, folder_ends, rest = ("/", "//", rest[3:]) if root else rest.partition("//")
    file, file_ends, command_line = rest.removeprefix("file=").partition("//cmd=")
    if not (pid and parent and uid and folder_ends and file_ends and rest.startswith("file=")):
        return None
    if not cwd.startswith("/"):  # snoopy's own error message
        cwd = ""
    image = file if file.startswith("/") or not cwd else posixpath.join(cwd, file.removeprefix("./"))
    user = told.get("user", "root" if uid == "0" else "")
    return Call(pid, parent, uid, user, cwd, image, command_line)
