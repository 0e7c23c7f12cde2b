"""`sekisho store set-aside`: what could not be read as an event, with its reason."""

from __future__ import annotations

import base64
import json
from itertools import islice
from typing import Annotated

import typer
from rich.markup import escape

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, say, screen, visible
from sekisho.core.clock import japan
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.telemetry import stores
from sekisho.telemetry.event import Aside


def set_aside(
    state: StateOption = DEFAULT_STATE,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many, the latest first; 0 for all.")] = 100,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """What could not be read as an event: where it stood, why, and how it begins (`--json`: as it stood, in base64)."""
    from sekisho.cli import tables  # noqa: PLC0415 - slow to load, for those who ingest

    found = stores.there(state).set_aside()
    some = islice(found, limit) if limit else found
    if as_json:
        for one in some:  # a line each: there may be many
            typer.echo(json.dumps(_as_json(one), ensure_ascii=False))
    else:
        table = tables.table(
            Both("取り置き", "set aside"), Both("ファイル", "file"), Both("位置", "offset"), Both("理由", "why"),
            Both("はじめの部分", "how it begins"),
        )  # fmt: skip
        for one in some:
            what = one.reject
            begin = visible(what.raw[:100].decode(errors="replace"))
            cells = (visible(what.file), f"{what.offset:,}", say(both(what.why)), begin)
            table.add_row(japan(one.arrived), *map(escape, cells))
        screen().print(table)
    if limit and next(found, None) is not None:
        more = Both(f"新しい順に{limit}件のみ。すべては --limit 0", f"only the latest {limit}; --limit 0 for all")
        typer.echo(say(more), err=True)


def _as_json(one: Aside) -> dict[str, str | int]:
    what = one.reject
    return {
        "id": what.id.hex(),
        "set_aside": one.arrived,
        "log.file.path": what.file,
        "log.offset": what.offset,
        "why": what.why,
        "raw": base64.b64encode(what.raw).decode(),
    }
