"""Options that every command shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

StateOption = Annotated[
    Path,
    typer.Option("--state", envvar="SEKISHO_STATE", help="The state folder: ledger, chain, keys.", file_okay=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
DEFAULT_STATE = Path("state")


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print `value` as one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
