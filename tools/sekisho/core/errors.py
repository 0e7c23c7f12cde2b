"""What can go wrong, told to a person: what happened, where, and what to do."""

from __future__ import annotations

from typing import ClassVar


class SekishoError(Exception):
    """A failure that the user is told about, without a traceback.

    `what` says what happened and where; `hint` says what to do next. `exit_code` is the command's.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.hint}" if self.hint else self.what


class Refused(SekishoError):  # noqa: N818 - a gate refuses; it does not err
    """A gate, check or proof said no (exit code 1)."""


class BadInput(SekishoError):  # noqa: N818 - says whose turn it is
    """Wrong use or bad input: the person can mend it (exit code 2)."""

    exit_code = 2


class Missing(SekishoError):  # noqa: N818 - says what to look for
    """Something is missing on this machine: root, a package, a file (exit code 3)."""

    exit_code = 3
