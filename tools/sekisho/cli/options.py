"""Options that every command shares."""

from __future__ import annotations

import json
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.core import language


class Lang(StrEnum):
    """The languages that `--lang` knows."""

    JA = "ja"
    EN = "en"


_asked: ContextVar[language.Language] = ContextVar("asked", default="ja")


def speak(value: Lang) -> Lang:
    """Speak this language from now on; what `--lang` does."""
    _asked.set(value.value)
    return value


def asked() -> language.Language:
    """The language that the command was told to speak; Japanese before it was told anything."""
    return _asked.get()


StateOption = Annotated[
    Path,
    typer.Option("--state", envvar="SEKISHO_STATE", help="The state folder: ledger, chain, keys.", file_okay=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
LangOption = Annotated[Lang, typer.Option("--lang", callback=speak, help="Japanese (ja) or English (en).")]
DEFAULT_STATE = Path("state")
DEFAULT_LANG = Lang.JA


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print `value` as one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
