"""The two languages in which people read what Sekisho says: Japanese first, English on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Language = Literal["ja", "en"]


@runtime_checkable
class Bilingual(Protocol):
    """Anything that can be read in both languages: a label of a policy, a standing, a reason."""

    @property
    def ja(self) -> str:
        """For officials, analysts and auditors in Japan."""

    @property
    def en(self) -> str:
        """The same in English."""


@dataclass(frozen=True)
class Both:
    """One text in both languages."""

    ja: str
    en: str


def told(text: str | Bilingual, language: Language) -> str:
    """The text in one language; what is a plain string is the same in both."""
    if isinstance(text, Bilingual):  # asked first, for a standing is a string too
        return text.ja if language == "ja" else text.en
    return text
