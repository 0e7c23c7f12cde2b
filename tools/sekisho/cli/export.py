"""`sekisho rules export`: rules as queries of others, a file each, and what became of those that have none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sekisho.cli.options import DEFAULT_LANG, JsonOption, LangOption, print_json, say, visible
from sekisho.core.errors import BadInput
from sekisho.core.files import unwritten, write_atomic
from sekisho.core.language import Both
from sekisho.detection import queries
from sekisho.detection.export import navigator
from sekisho.detection.export.formats import FORMATS, UNTRIED
from sekisho.detection.queries import Export
from sekisho.detection.rules.rule import Rule

Form = StrEnum("Form", {name.upper(): name for name in FORMATS})  # type: ignore[misc] # names are data
_LUCENE = Form("lucene")
_UNSAFE = re.compile(r"[^0-9A-Za-z_.-]")


def export(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of rules.", metavar="PATH...")],
    to: Annotated[Path, typer.Option("--to", help="A folder that is not there yet, or is empty.", file_okay=False)],
    form: Annotated[Form, typer.Option("--format", help=f"Not tried on a server yet: {', '.join(UNTRIED)}.")] = _LUCENE,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if a rule has no query.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Write a query for each rule, a layer for the ATT&CK Navigator, and which rules have none, and why."""
    _fresh(to)
    found = queries.of(paths, FORMATS[form])
    told = _told(found, form)
    _write(to, found, form, told)
    if as_json:
        print_json(told)
    else:
        for one in found.refused:
            typer.echo(visible(f"{one.path}: {one.title or one.id or ''}: {say(one.reason)}"))
        typer.echo(
            say(
                Both(
                    f"{to}: 書き出したルール {len(found.queries):,}件、書き出さないもの {len(found.refused):,}件",
                    f"{to}: {len(found.queries):,} rules exported, {len(found.refused):,} refused",
                )
            )
        )
        if not FORMATS[form].tried:
            typer.echo(
                say(
                    Both(
                        f"形式 {form} は実際のサーバでは未検証。使う前に確かめる",
                        f"the format {form} was not tried on a server: try it before it is relied on",
                    )
                ),
                err=True,
            )
    if strict and found.refused:
        raise typer.Exit(1)


def _fresh(folder: Path) -> None:
    try:
        if folder.exists() and any(folder.iterdir()):
            raise BadInput(
                Both(f"{folder} は空ではない", f"{folder} is not empty"),
                Both("新しいフォルダを指定する", "name a new folder"),
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritten(folder, error) from error


def _told(found: Export, form: str) -> dict[str, Any]:
    files = names([one.rule for one in found.queries], FORMATS[form].suffix)
    return {
        "format": form,
        "tried": FORMATS[form].tried,
        "exported": [
            {"id": one.rule.id, "title": one.rule.title, "level": one.rule.level, "file": file}
            for one, file in zip(found.queries, files, strict=True)
        ],
        "refused": [
            {"path": one.path, "id": one.id, "title": one.title, "reason": say(one.reason)} for one in found.refused
        ],
    }


def _write(folder: Path, found: Export, form: str, told: dict[str, Any]) -> None:
    for one, entry in zip(found.queries, told["exported"], strict=True):
        path = folder / entry["file"]
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{text}\n" for text in one.texts), encoding="utf-8")
        except OSError as error:
            raise unwritten(path, error) from error
    layer = navigator.layer([one.rule for one in found.queries], f"Sekisho: Sigma rules as {form}")
    for name, content in (("navigator.json", layer), ("export.json", told)):
        write_atomic(folder / name, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def names(some: Sequence[Rule], suffix: str) -> list[str]:
    """Where each rule's queries are: by the name of its file and the beginning of its id, no name twice."""
    found: dict[str, None] = {}
    for rule in some:
        name = _UNSAFE.sub("_", f"{Path(rule.path).stem[:150]}-{rule.id[:8]}")
        while name in found:
            name += "_"
        found[name] = None
    return [f"queries/{name}.{suffix}" for name in found]
