"""`sekisho migrate` and `status`: the commands of a migration night."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

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
from sekisho.cli.progress import Progress
from sekisho.core import phrases
from sekisho.core.clock import japan
from sekisho.core.errors import BadInput, SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason
from sekisho.core.state import State, open_state
from sekisho.fleet import operator
from sekisho.migration import rehearse, start, status

_OUTCOMES = {
    "ok": Both("問題なし", "ok"),
    "failed": Both("失敗", "failed"),
    "unreachable": Both("応答なし", "unreachable"),
    "missing": Both("結果なし", "missing"),
}


def register(app: typer.Typer) -> None:
    """Add the commands to the front door."""
    app.command("migrate")(migrate)
    app.command("status")(show_status)


def migrate(
    wave: Annotated[str, typer.Option("--wave", help="The wave's name, as `sekisho plan` gave it.")],
    state: StateOption = DEFAULT_STATE,
    retry: Annotated[bool, typer.Option("--retry", help="Also take up those that were refused or went back.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run Ansible in check mode and show what it would change.")
    ] = False,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Name each Ansible task.")] = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Move a wave: entry gate, prepare, cross, settle, exit gate, confirm. Run again, it continues."""
    with Progress(quiet=as_json, verbose=verbose) as progress:
        opened = open_state(state)
        with start.opened(opened, wave, who=operator.name(), listener=progress) as run:
            if dry_run:
                changes = rehearse.rehearse(run)
                progress.stop()
                print_json(changes) if as_json else _print_rehearsal(changes)
                if any(one["outcome"] != "ok" for one in changes["terminals"].values()):
                    raise typer.Exit(1)
                return
            refused: SekishoError | None = None
            try:
                start.migrate(run, retry=retry)
            except BadInput:  # nothing was begun, so there is nothing to sum up
                raise
            except SekishoError as error:
                refused = error
            progress.stop()
            _print_wave(opened, wave, refused, as_json=as_json)
            if refused is not None:
                raise refused


def show_status(
    state: StateOption = DEFAULT_STATE,
    wave: Annotated[str | None, typer.Option("--wave", help="Only this wave.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask RADIUS; the exit code is then 1.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Where every terminal stands; exit code 1 when RADIUS and the ledger differ, or RADIUS cannot be asked."""
    picture = status.read(open_state(state), wave=wave, ask_radius=not offline)
    if wave is not None and not picture.terminals:
        raise start.unknown_wave(wave)
    if as_json:
        print_json(picture.as_json())
    else:
        tables.print_terminals(picture.terminals, every=wave is not None)
        tables.print_summary(picture.terminals)
        _print_run(picture)
        _print_differences(picture)
    if not picture.sound:
        raise typer.Exit(1)


def _print_wave(state: State, wave: str, refused: SekishoError | None, *, as_json: bool) -> None:
    picture = status.read(state, wave=wave)
    if as_json:
        reasons = [one.as_json() for one in refused.reasons if isinstance(one, Reason)] if refused else []
        print_json({**picture.as_json(), "refused": reasons})
    else:
        tables.print_summary(picture.terminals)
        _print_differences(picture)


def _print_run(picture: status.Status) -> None:
    if run := picture.run:
        since = japan(run.since)
        print(
            say(
                Both(
                    f"実行中: {run.what} (プロセス {run.pid}、{since} 開始)",
                    f"a run is at work: {run.what} (process {run.pid}, since {since})",
                )
            )
        )


def _print_differences(picture: status.Status) -> None:
    console = screen()
    for line in picture.differences:
        console.print("[red]✗[/red]", escape(say(line)))
    if picture.unknown:
        console.print("[yellow]?[/yellow]", escape(say(picture.unknown)))


def _print_rehearsal(changes: dict[str, Any]) -> None:
    table = tables.table(tables.ASSET, Both("変更箇所", "would change"), Both("結果", "outcome"), tables.WHY)
    for name, one in changes["terminals"].items():
        reason = say(phrases.both(one["reason"]))
        table.add_row(name, str(one["changed"]), say(_OUTCOMES[one["outcome"]]), escape(reason))
    console = screen()
    console.print(table)
    for line in changes["diff"]:
        console.print(line, markup=False, highlight=False)
