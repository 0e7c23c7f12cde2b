"""`sekisho plan`: who crosses in which wave."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sekisho.cli import tables
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
from sekisho.core.clock import JAPAN, now
from sekisho.core.language import Both
from sekisho.core.reason import because
from sekisho.core.sentences import Code
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
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
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
    _print(done, {ring.name: say(ring.label) for ring in waves.rings})
    for freeze in freezes:
        why = because(Code.FREEZE, first=str(freeze.from_), last=str(freeze.to), why=freeze.why)
        typer.echo(("! " if freeze.from_ <= today else "") + say(why))


def _print(done: planning.Plan, rings: dict[str, str]) -> None:
    table = tables.table(tables.WAVE, Both("段階", "ring"), tables.COUNT, Both("", ""))
    for waves, word in ((done.kept, Both("そのまま", "as it was")), (done.made, Both("計画", "planned"))):
        for wave in waves:
            table.add_row(wave.name, rings.get(wave.ring, wave.ring), str(len(wave.assets)), say(word))
    screen().print(table)
    if not done.changed:
        typer.echo(say(Both("変更なし", "nothing changed")))
    if done.left:
        count = len(done.left)
        typer.echo(
            say(
                Both(
                    f"{count}台にウェーブがない: policies/waves.yml の段階が一杯。段階を追加する",
                    f"{count} terminals have no wave: the rings of policies/waves.yml are full; add one",
                )
            )
        )


def _front() -> None:
    """Nothing to do before a command."""
