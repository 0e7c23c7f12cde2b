"""A kernel limit that many machines on one kernel reach: each systemd holds several inotify instances of root's."""

from __future__ import annotations

from pathlib import Path

_FILE = Path("/proc/sys/fs/inotify/max_user_instances")
_PER_MACHINE = 16  # a booted machine holds six to ten
_SPARE = 1024  # for other labs, and for this machine's own programs


def allow(machines: int) -> None:
    """Raise the limit if `machines` more could meet it; it is never lowered, since others may rely on it by then.

    Debian's 128 is spent by about twenty machines, and the next one dies while it boots.
    """
    wanted = machines * _PER_MACHINE + _SPARE
    if int(_FILE.read_text()) < wanted:
        _FILE.write_text(str(wanted))
