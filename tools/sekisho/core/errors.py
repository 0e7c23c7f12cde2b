"""What can go wrong, told to a person: what happened, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sekisho.core.language import Bilingual, Language, told


class BadValue(ValueError):  # noqa: N818 - a value in a file is what is bad
    """What is wrong with one value, in both languages: a validator's answer, which pydantic keeps with its fault."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en


class SekishoError(Exception):
    """A failure that the user is told about, without a traceback.

    `what` says what happened and where; `reasons` are told below it, a line each; `hint` says what to do next. Each may
    be in both languages. `exit_code` is the command's.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, what: str | Bilingual, hint: str | Bilingual = "", *, reasons: Sequence[str | Bilingual] = ()
    ) -> None:
        super().__init__(told(what, "en"))
        self.what = told(what, "en")
        self.hint = told(hint, "en")
        self.reasons = tuple(reasons)
        self._parts = (what, hint)

    def told_what(self, language: Language) -> str:
        """Only what happened, without what to do."""
        return told(self._parts[0], language)

    def told(self, language: Language) -> str:
        """The message for a person."""
        what, hint = self._parts
        lines = [told(what, language), *(f"  - {told(reason, language)}" for reason in self.reasons)]
        return "\n".join([*lines, *([f"  → {told(hint, language)}"] if hint else [])])

    def __str__(self) -> str:
        return self.told("en")


class Refused(SekishoError):  # noqa: N818 - a gate refuses; it does not err
    """A gate, check or proof said no (exit code 1)."""


class BadInput(SekishoError):  # noqa: N818 - says whose turn it is
    """Wrong use or bad input: the person can mend it (exit code 2)."""

    exit_code = 2


class Missing(SekishoError):  # noqa: N818 - says what to look for
    """Something is missing on this machine: root, a package, a file (exit code 3)."""

    exit_code = 3
