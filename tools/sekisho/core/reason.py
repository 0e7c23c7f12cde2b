"""Why something is so: a code with values, and the sentence that people read, in both languages.

The sentence is kept beside the code, in the ledger and on the chain, so that an auditor can read it years later without
the program that wrote it. Nobody has to parse a sentence: a program asks for the code and the values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sekisho.core.language import Bilingual, Both
from sekisho.core.sentences import NEXT, SENTENCES, Code

Value = str | dict[str, str]


@dataclass(frozen=True)
class Reason:
    """A reason. A value is a text, or a text in both languages: {"ja": ..., "en": ...}.

    `code` is one of `Code`, or empty for the words of a person (or of an older state), which are kept as typed.
    """

    code: str
    values: Mapping[str, Value] = field(hash=False)
    ja: str
    en: str

    def __str__(self) -> str:
        """As a programmer reads it; to officials the language that they asked for is told."""
        return self.en

    def __bool__(self) -> bool:
        return bool(self.code or self.ja)

    @property
    def next(self) -> Both | None:
        """What to do about it, if it asks for anything."""
        both = NEXT.get(self.code)
        return None if both is None else Both(_fill(both[0], self.values, "ja"), _fill(both[1], self.values, "en"))

    def as_json(self) -> dict[str, Any]:
        """Code, values and both sentences, as records hold them."""
        return {"code": self.code, "values": dict(self.values), "ja": self.ja, "en": self.en}

    def stored(self) -> str:
        """As the ledger's column holds it."""
        return json.dumps(self.as_json(), ensure_ascii=False) if self.code else self.ja


def because(code: Code, **values: str | int | Bilingual) -> Reason:
    """The reason `code` with the values that its sentence names.

    Raises:
        KeyError: the sentence names a value that was not given.
    """
    kept: dict[str, Value] = {
        name: {"ja": value.ja, "en": value.en} if isinstance(value, Bilingual) else str(value)
        for name, value in values.items()
    }
    ja, en = SENTENCES[code]
    return Reason(str(code), kept, _fill(ja, kept, "ja"), _fill(en, kept, "en"))


def typed(text: str) -> Reason:
    """A person's own words, the same in both languages."""
    return Reason("", {}, text, text)


def read(stored: object) -> Reason:
    """What the ledger or a record holds as a reason; free text of an older state stays as it is."""
    if isinstance(stored, str):
        return _parsed(stored)
    if isinstance(stored, Mapping):
        code, values, ja, en = (stored.get(name) for name in ("code", "values", "ja", "en"))
        if isinstance(code, str) and isinstance(values, Mapping) and isinstance(ja, str) and isinstance(en, str):
            return Reason(code, dict(values), ja, en)
    return typed("" if stored is None else json.dumps(stored, ensure_ascii=False, default=str))


@lru_cache(maxsize=1024)  # a wave's terminals share most of their reasons
def _parsed(text: str) -> Reason:
    try:
        found = json.loads(text) if text.startswith("{") else None
    except ValueError:
        found = None
    one = read(found) if isinstance(found, dict) else None
    return one if one is not None and one.code else typed(text)


def _fill(sentence: str, values: Mapping[str, Value], language: str) -> str:
    told_values = {name: value if isinstance(value, str) else value[language] for name, value in values.items()}
    return sentence.format_map(told_values).strip().rstrip(":").rstrip()
