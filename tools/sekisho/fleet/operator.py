"""Who is at the keyboard, for a history that says who did what."""

from __future__ import annotations

import getpass
import os


def name() -> str:
    """The login name of the person who gave the command, also through sudo; never empty."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"uid {os.getuid()}"
