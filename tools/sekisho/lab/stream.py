"""A long program's lines as they come, kept in a log, so that a person sees that something happens."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sekisho.core.errors import SekishoError


def follow(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `argv` and yield what it says, line by line; all of it is written to `log` as well.

    Raises:
        SekishoError: it ended with another code than 0; the last lines are in the message.
    """
    last: list[str] = []
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True,
            errors="replace",
        ) as program,
    ):  # fmt: skip
        assert program.stdout is not None  # noqa: S101 - asked for by PIPE
        try:
            for line in program.stdout:
                kept.write(line)
                last = [*last[-11:], line.rstrip()]
                yield line.rstrip()
        except BaseException:
            program.kill()
            raise
    if program.returncode:
        told = "\n  ".join(line for line in last if not line.startswith(("pmstatus", "dlstatus")))
        raise SekishoError(
            f"the lab's Debian could not be made: {log.stem} ended with {program.returncode}\n  {told}",
            f"all that was said is in {log}",
        )
