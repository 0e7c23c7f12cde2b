"""`sekisho migrate`, `status`, `rollback`, `release`: the commands that a migration night needs."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from sekisho.cli import tables
from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, print_json
from sekisho.cli.progress import Progress
from sekisho.cli.tables import say
from sekisho.core.errors import BadInput, SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because, typed
from sekisho.core.sentences import Code
from sekisho.core.state import State, open_state
from sekisho.core.text import plain
from sekisho.fleet import operator
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.migration import rehearse, rollback, start, status


def register(app: typer.Typer) -> None:
    """Add the commands to the front door."""
    app.command("migrate")(migrate)
    app.command("status")(show_status)
    app.command("rollback")(roll_back)
    app.command("release")(release)


def migrate(
    wave: Annotated[str, typer.Option("--wave", help="The wave's name, as `sekisho plan` gave it.")],
    state: StateOption = DEFAULT_STATE,
    retry: Annotated[bool, typer.Option("--retry", help="Also take up those that were refused or went back.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run Ansible in check mode and show what it would change.")
    ] = False,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Name each Ansible task.")] = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.asked`
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
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.asked`
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
        _print_differences(picture)
    if not picture.sound:
        raise typer.Exit(1)


def roll_back(
    terminal: Annotated[list[str] | None, typer.Argument(help="Asset numbers.")] = None,
    wave: Annotated[str | None, typer.Option("--wave", help="All terminals of a wave.")] = None,
    why: Annotated[str | None, typer.Option("--why", help="The reason, for the record.")] = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.asked`
) -> None:
    """Take terminals back: from probation straight home; confirmed ones into quarantine."""
    if bool(terminal) == bool(wave):
        raise BadInput(
            Both("端末かウェーブのどちらか一方を指定する", "name either terminals or a wave"),
            Both("例: sekisho rollback PC-0001", "for example: sekisho rollback PC-0001"),
        )
    opened = open_state(state)
    ledger = Ledger(opened)
    chosen = [ledger.terminal(plain(asset).upper()) for asset in terminal or []] or ledger.terminals(wave=wave)
    if not chosen:
        raise start.unknown_wave(str(wave))
    reason = because(Code.BY_HAND) if why is None else typed(why)
    with (
        Progress(quiet=as_json, verbose=False) as progress,
        start.opened(opened, wave or chosen[0].wave or "-", who=operator.name(), listener=progress) as run,
    ):
        became = rollback.rollback(run, chosen, reason)
    if as_json:
        print_json(became)
        return
    for asset, standing in became.items():
        typer.echo(f"{asset}: {say(Standing(standing))}")


def release(
    terminal: Annotated[str, typer.Argument(help="The asset number.")],
    cleaned_by: Annotated[str, typer.Option("--cleaned-by", help="The post that answers for it.")],
    scan_report: Annotated[
        Path | None, typer.Option("--scan-report", help="The malware scan's report; its digest is kept.")
    ] = None,
    reinstalled: Annotated[
        datetime | None, typer.Option("--reinstalled", help="The day of reinstallation.", formats=["%Y-%m-%d"])
    ] = None,
    state: StateOption = DEFAULT_STATE,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.asked`
) -> None:
    """Take a quarantined terminal back to the LGWAN tier, through the return gate."""
    if (scan_report is None) == (reinstalled is None):
        raise BadInput(
            Both(
                "--scan-report か --reinstalled のどちらか一方を指定する", "give either --scan-report or --reinstalled"
            ),
            Both("復帰ゲートは、どう安全にしたかを問う", "the return gate asks how it was made clean"),
        )
    try:
        proof = {"scan_report_sha256": sha256(scan_report.read_bytes()).hexdigest()} if scan_report else {}
    except OSError as error:
        raise BadInput(f"{scan_report}: {error.strerror}", "name the report's file") from error
    proof |= {"reinstalled": reinstalled.date().isoformat()} if reinstalled else {}
    opened = open_state(state)
    one = Ledger(opened).terminal(plain(terminal).upper())
    with (
        Progress(quiet=False, verbose=False) as progress,
        start.opened(opened, one.wave or "-", who=operator.name(), listener=progress) as run,
    ):
        rollback.release(run, one, cleaned_by=cleaned_by, proof=proof)
    typer.echo(f"{one.asset}: {say(because(Code.RELEASED))}")


def _print_wave(state: State, wave: str, refused: SekishoError | None, *, as_json: bool) -> None:
    picture = status.read(state, wave=wave)
    if as_json:
        reasons = [one.as_json() for one in refused.reasons if isinstance(one, Reason)] if refused else []
        print_json({**picture.as_json(), "refused": reasons})
    else:
        tables.print_summary(picture.terminals)
        _print_differences(picture)


def _print_differences(picture: status.Status) -> None:
    console = Console(highlight=False)
    for line in picture.differences:
        console.print("[red]✗[/red]", escape(say(line)))
    if picture.unknown:
        console.print("[yellow]?[/yellow]", escape(say(picture.unknown)))


def _print_rehearsal(changes: dict[str, Any]) -> None:
    table = tables.table(tables.ASSET, Both("変更箇所", "would change"), Both("結果", "outcome"), tables.WHY)
    for name, one in changes["terminals"].items():
        table.add_row(name, str(one["changed"]), one["outcome"], escape(one["reason"]))
    console = Console()
    console.print(table)
    for line in changes["diff"]:
        console.print(line, markup=False, highlight=False)
