"""Programs of the system, run without a shell and with an end in sight."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sekisho.core.errors import Missing, SekishoError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: bytes | None = None,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv` and return what it answered. `timeout` is in seconds.

    Raises:
        Missing: the program is not installed.
        SekishoError: it ended with another code than 0 (unless `check` is false), or did not end in time.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout, env=env, check=False)
    except FileNotFoundError as error:
        raise Missing(
            f"the program {words[0]} is not installed", f"apt-get install the package that has {words[0]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SekishoError(
            f"{words[0]} did not end within {timeout:g} s", "look at the machine that it speaks to"
        ) from error
    if check and done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip()
        raise SekishoError(f"{' '.join(words[:4])}… ended with {done.returncode}: {told[-800:]}")
    return done
