"""Options that every command shares."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextvars import ContextVar
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sekisho.core import language

if TYPE_CHECKING:
    from rich.console import Console


class Lang(StrEnum):
    """The languages that `--lang` knows."""

    JA = "ja"
    EN = "en"


_asked: ContextVar[language.Language] = ContextVar("asked", default="ja")


def hear(words: Sequence[str]) -> None:
    """Speak the language that `--lang` in a command line asks for, or else SEKISHO_LANG.

    The words are looked at before they are parsed, so that a fault in them is told in that language too.
    """
    given = [word.removeprefix("--lang=") for word in words if word.startswith("--lang=")]
    given += [value for option, value in pairwise(words) if option == "--lang"]
    _asked.set("en" if "en" in (given or [os.environ.get("SEKISHO_LANG", "")]) else "ja")


def asked() -> language.Language:
    """The language to speak; Japanese unless another was asked for."""
    return _asked.get()


def screen(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """Where a command prints. What it prints is others' text: nothing in it is taken for an emoji or coloured."""
    from rich.console import Console  # noqa: PLC0415 - only people need it, and it is slow to load

    return Console(stderr=stderr, soft_wrap=soft_wrap, highlight=False, emoji=False)


# Control characters, as pictures of them; and what turns the direction of writing, or ends a line, as a question.
_VISIBLE = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_VISIBLE |= dict.fromkeys([*range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def visible(text: str) -> str:
    """Others' text on one line of a screen: nothing in it moves the cursor or speaks to the terminal."""
    return text.translate(_VISIBLE)


def say(text: str | language.Bilingual) -> str:
    """A text in the language that was asked for."""
    return language.told(text, asked())


_SEVERAL = {"detect": ("--rules", "--events"), "watch": ("--rules",)}


def spread(words: Sequence[str]) -> list[str]:
    """A command line in which each of several values behind an option has the option before it.

    So a pattern that the shell wrote out can follow `--rules` or `--events`.
    """
    options = _SEVERAL.get(words[0], ()) if words else ()
    found: list[str] = []
    option = ""
    for word in words:
        if word.startswith("-"):
            option = word if word in options else ""
            if not option:
                found.append(word)
        elif option:
            found += [option, word]
        else:
            found.append(word)
    return found


StateOption = Annotated[
    Path,
    typer.Option("--state", envvar="SEKISHO_STATE", help="The state folder: ledger, chain, keys.", file_okay=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
LangOption = Annotated[Lang, typer.Option("--lang", envvar="SEKISHO_LANG", help="Japanese (ja) or English (en).")]
DEFAULT_STATE = Path("state")
DEFAULT_LANG = Lang.JA


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print `value` as one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
