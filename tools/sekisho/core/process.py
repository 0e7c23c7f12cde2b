"""Programs of the system, run without a shell and with an end in sight."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sekisho.core.errors import Missing, SekishoError
from sekisho.core.language import Both


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
            Both(f"プログラム {words[0]} が導入されていない", f"the program {words[0]} is not installed"),
            Both(
                f"{words[0]} を含むパッケージを apt-get install で導入する",
                f"apt-get install the package that has {words[0]}",
            ),
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SekishoError(
            Both(f"{words[0]} が{timeout:g}秒以内に終わらない", f"{words[0]} did not end within {timeout:g} s"),
            Both("通信先の機器を確認する", "look at the machine that it speaks to"),
        ) from error
    if check and done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip()
        command = " ".join(words[:4])
        raise SekishoError(
            Both(
                f"{command}… が終了コード{done.returncode}で終わった: {told[-800:]}",
                f"{command}… ended with {done.returncode}: {told[-800:]}",
            )
        )
    return done
