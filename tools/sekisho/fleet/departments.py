"""`inventory/departments.yml`: the departments that own terminals, by a short code."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from sekisho.core import folders
from sekisho.core.errors import BadValue
from sekisho.core.text import folded
from sekisho.core.yamlfile import Strict, load
from sekisho.policy.tiers import Label


class Departments(Strict):
    """The whole file. A code becomes part of an Ansible group's name."""

    version: Literal[1]
    departments: dict[str, Label] = Field(min_length=1)

    @cached_property
    def codes(self) -> dict[str, str]:
        """Every spelling under which a department may stand in a ledger (code, Japanese, English), to its code."""
        found: dict[str, str] = {}
        for code, label in self.departments.items():
            found |= {folded(text): code for text in (code, label.ja, label.en)}
        return found

    def code(self, text: str) -> str | None:
        """The code of the department that `text` names; None when it is not known."""
        return self.codes.get(folded(text))

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        seen: dict[str, str] = {}
        for code, label in self.departments.items():
            if not code.isascii() or not code.isalnum() or not code.islower():
                raise BadValue(
                    f"departments: {code!r}: 符号に使えるのは小文字の英字と数字だけ",
                    f"departments: {code!r}: a code has lower-case letters and digits only",
                )
            for text in {folded(code), folded(label.ja), folded(label.en)}:
                if seen.setdefault(text, code) != code:
                    raise BadValue(
                        f"departments: {text!r} が {seen[text]} と {code} の両方の名前になっている",
                        f"departments: {text!r} names both {seen[text]} and {code}",
                    )
        return self


def read() -> Departments:
    """The departments of the prefecture.

    Raises:
        Missing: the file is not there.
        BadInput: with file and line.
    """
    return load(folders.inventory() / "departments.yml", Departments)
