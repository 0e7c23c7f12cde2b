"""`sekisho plan`: who crosses in which wave."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sekisho.cli.options import DEFAULT_STATE, JsonOption, StateOption, print_json
from sekisho.core.clock import JAPAN, now
from sekisho.core.state import open_state
from sekisho.core.text import plain
from sekisho.evidence.chain import Chain
from sekisho.fleet import operator
from sekisho.migration import plan as planning
from sekisho.migration.lock import RunLock
from sekisho.policy import waves as policy


def register(app: typer.Typer) -> None:
    """Add the command to the front door."""
    if app.registered_callback is None:  # an app of one command would otherwise take that command's name as an argument
        app.callback()(_front)
    app.command("plan")(plan)


def plan(
    state: StateOption = DEFAULT_STATE,
    terminal: Annotated[
        list[str] | None,
        typer.Option("--terminal", help="Put these terminals (asset numbers) into a wave of their own."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Cut the LGWAN staff terminals into waves by rings; waves that have begun stay as they are."""
    waves = policy.read()
    opened = open_state(state)
    record, who = Chain(opened).append, operator.name()
    with RunLock(state, "plan"):  # a run that is at work must not lose its terminals to another wave
        if terminal:
            assets = [plain(asset).upper() for asset in terminal]
            done = planning.Plan(made=[planning.plan_named(opened, assets, record=record, who=who)], changed=True)
        else:
            done = planning.plan(opened, waves, record=record, who=who)
    today = now().astimezone(JAPAN).date()
    freezes = [freeze for freeze in waves.freezes if freeze.to >= today]
    if as_json:
        print_json({**asdict(done), "freezes": [freeze.model_dump(mode="json", by_alias=True) for freeze in freezes]})
        return
    _print(done)
    for freeze in freezes:
        word = "NOW" if freeze.from_ <= today else "later"
        typer.echo(f"freeze ({word}): nothing crosses from {freeze.from_} to {freeze.to}: {freeze.why.ja}")


def _print(done: planning.Plan) -> None:
    table = Table("ウェーブ", "段階", "台数", "")
    for waves, word in ((done.kept, "そのまま"), (done.made, "計画")):
        for wave in waves:
            table.add_row(wave.name, wave.ring, str(len(wave.assets)), word)
    Console().print(table)
    if not done.changed:
        typer.echo("nothing changed")
    if done.left:
        typer.echo(f"{len(done.left)} terminals have no wave: the rings of policies/waves.yml are full; add one")


def _front() -> None:
    """Nothing to do before a command."""
