"""`sekisho alerts`: what `sekisho watch` has found."""

from __future__ import annotations

from typing import Annotated

import typer

from sekisho.cli.detect import level_of, line
from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, say
from sekisho.cli.times import moment_of
from sekisho.core.language import Both
from sekisho.detection.alerts.ledger import open_ledger


def register(app: typer.Typer) -> None:
    """Add the command to the front door."""
    app.command("alerts")(alerts)


def alerts(
    since: Annotated[
        str | None, typer.Option("--from", help="Of events from this time on (Japan time unless it names a zone).")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Of events before this time.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="Of this level or more.")] = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Raised later than the alert of this number.")] = 0,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """List the alerts in the order in which they were raised. With --json one object a line."""
    ledger, count = open_ledger(state), 0
    try:
        for found in ledger.alerts(after=after, level=level_of(level), since=moment_of(since), until=moment_of(until)):
            typer.echo(line(found, as_json=as_json))
            count += 1
    finally:
        ledger.close()
    if not as_json:
        typer.echo(say(Both(f"アラート {count:,}件", f"{count:,} alerts")), err=True)
