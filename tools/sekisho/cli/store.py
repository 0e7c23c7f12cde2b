"""`sekisho store`: what the event store holds, and keeping it in order."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import typer

from sekisho.cli import tables
from sekisho.cli.events import there
from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    print_json,
    say,
    screen,
)
from sekisho.core.clock import japan, now
from sekisho.core.language import Both
from sekisho.policy import telemetry as policy
from sekisho.telemetry.embedded import tidy

app = typer.Typer(help="The event store.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="store")


@app.command()
def status(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """What the store holds: events, parts and octets of each day, and what was set aside."""
    store = there(state)
    manifest = store.manifest()
    days: dict[str, dict[str, Any]] = defaultdict(lambda: {"events": 0, "parts": 0, "octets": 0, "arrived": ""})
    for part in manifest.parts:
        day = days[part.partition]
        day["events"] += part.rows
        day["parts"] += 1
        day["octets"] += (store.folder / part.file).stat().st_size
        day["arrived"] = max(day["arrived"], part.arrived)
    aside = sum(part.rows for part in manifest.rejects)
    if as_json:
        print_json({"events": manifest.rows, "set_aside": aside, "days": dict(sorted(days.items()))})
        return
    table = tables.table(
        Both("日(UTC)", "day (UTC)"),
        Both("イベント", "events"),
        Both("ファイル", "parts"),
        Both("MB", "MB"),
        Both("最終到着", "last arrival"),
    )
    for name, day in sorted(days.items()):
        size = f"{day['octets'] / 1_000_000:,.1f}"
        table.add_row(name, f"{day['events']:,}", str(day["parts"]), size, japan(day["arrived"]))
    screen().print(table)
    typer.echo(
        say(
            Both(
                f"イベント {manifest.rows:,}件、取り置き {aside:,}行",
                f"{manifest.rows:,} events, {aside:,} lines set aside",
            )
        )
    )


@app.command("tidy")
def tidy_up(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Merge small parts, and let go of days that are older than policies/telemetry.yml keeps them."""
    kept = policy.read().retention_days
    with there(state).writing() as writer:
        gone = tidy.expire(writer, kept, now())
        fewer = tidy.merge(writer)
    if as_json:
        print_json({"expired": gone, "parts_fewer": fewer})
        return
    typer.echo(
        say(
            Both(
                f"保存期間({kept}日)を過ぎたイベント {gone:,}件を削除、ファイルを{fewer}個減らした",
                f"{gone:,} events older than {kept} days are gone; {fewer} parts fewer",
            )
        )
    )
