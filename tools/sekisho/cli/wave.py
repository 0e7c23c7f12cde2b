"""`sekisho migrate`, `status`, `rollback`, `release`: the commands that a migration night needs."""

from __future__ import annotations

import getpass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sekisho.cli.options import DEFAULT_STATE, JsonOption, StateOption, print_json
from sekisho.cli.progress import Progress
from sekisho.core.errors import BadInput
from sekisho.core.state import open_state
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.migration import rehearse, rollback, start, status
from sekisho.policy import tiers as policy

LangOption = Annotated[str, typer.Option("--lang", help="ja or en.")]


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
    lang: LangOption = "ja",
) -> None:
    """Move a wave: entry gate, prepare, cross, settle, exit gate, confirm. Run again, it continues."""
    with Progress(quiet=as_json, verbose=verbose) as progress:
        opened = open_state(state)
        with start.opened(opened, wave, who=getpass.getuser(), listener=progress) as run:
            if dry_run:
                changes = rehearse.rehearse(run)
                progress.stop()
                print_json(changes) if as_json else _print_rehearsal(changes)
                return
            try:
                start.migrate(run, retry=retry)
            finally:
                progress.stop()
                _print_wave(opened.folder, wave, as_json=as_json, lang=lang)


def show_status(
    state: StateOption = DEFAULT_STATE,
    wave: Annotated[str | None, typer.Option("--wave", help="Only this wave.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask RADIUS; the exit code is then 1.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = "ja",
) -> None:
    """Where every terminal stands; exit code 1 when RADIUS and the ledger differ, or RADIUS cannot be asked."""
    picture = status.read(open_state(state), wave=wave, ask_radius=not offline)
    if as_json:
        print_json(picture.as_json())
    else:
        console = Console()
        console.print(_table(picture, lang=lang, every=wave is not None or len(picture.terminals) <= 50))
        for line in picture.differences:
            console.print(f"[red]✗[/red] {line}")
        if picture.unknown:
            console.print(f"[yellow]?[/yellow] {picture.unknown}")
    if not picture.sound:
        raise typer.Exit(1)


def roll_back(
    terminal: Annotated[list[str] | None, typer.Argument(help="Asset numbers.")] = None,
    wave: Annotated[str | None, typer.Option("--wave", help="All terminals of a wave.")] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.")] = "rolled back by hand",
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Take terminals back: from probation straight home; confirmed ones into quarantine."""
    if bool(terminal) == bool(wave):
        raise BadInput("name either terminals or a wave", "for example: sekisho rollback PC-0001")
    with Progress(quiet=as_json, verbose=False) as progress:
        opened = open_state(state)
        ledger = Ledger(opened)
        chosen = [ledger.terminal(asset) for asset in terminal or []] or ledger.terminals(wave=wave)
        if not chosen:
            raise BadInput(f"there is no wave {wave}", "`sekisho plan` names the waves")
        with start.opened(opened, wave or chosen[0].wave or "-", who=getpass.getuser(), listener=progress) as run:
            became = rollback.rollback(run, chosen, why)
    if as_json:
        print_json(became)
    else:
        for asset, standing in became.items():
            typer.echo(f"{asset}: {Standing(standing).ja} ({standing})")


def release(
    terminal: Annotated[str, typer.Argument(help="The asset number.")],
    cleaned_by: Annotated[str, typer.Option("--cleaned-by", help="The post that answers for it.")],
    scan_report: Annotated[
        Path | None, typer.Option("--scan-report", help="The malware scan's report; its digest is kept.")
    ] = None,
    reinstalled: Annotated[
        str | None, typer.Option("--reinstalled", help="The day of reinstallation, YYYY-MM-DD.")
    ] = None,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Take a quarantined terminal back to the LGWAN tier, through the return gate."""
    if (scan_report is None) == (reinstalled is None):
        raise BadInput("give either --scan-report or --reinstalled", "the return gate asks how it was made clean")
    try:
        proof = {"scan_report_sha256": sha256(scan_report.read_bytes()).hexdigest()} if scan_report else {}
    except OSError as error:
        raise BadInput(f"{scan_report}: {error.strerror}", "name the report's file") from error
    proof |= {"reinstalled": reinstalled} if reinstalled else {}
    with Progress(quiet=False, verbose=False) as progress:
        opened = open_state(state)
        one = Ledger(opened).terminal(terminal)
        with start.opened(opened, one.wave or "-", who=getpass.getuser(), listener=progress) as run:
            rollback.release(run, one, cleaned_by=cleaned_by, proof=proof)
    typer.echo(f"{terminal}: LGWAN")


def _print_wave(folder: Path, wave: str, *, as_json: bool, lang: str) -> None:
    picture = status.read(open_state(folder), wave=wave)
    if as_json:
        print_json(picture.as_json())
    elif picture.terminals:
        Console().print(_table(picture, lang=lang, every=True))


def _table(picture: status.Status, *, lang: str, every: bool) -> Table:
    tiers = policy.read()
    japanese = lang == "ja"
    if not every:
        table = Table("状態" if japanese else "standing", "台数" if japanese else "terminals")
        for standing, count in sorted(picture.counts().items()):
            table.add_row(Standing(standing).ja if japanese else standing, str(count))
        return table
    headings = (
        ("資産番号", "所属", "系統", "状態", "理由") if japanese else ("asset", "department", "tier", "standing", "why")
    )
    table = Table(*headings)
    for one in picture.terminals:
        tier = tiers.networks[one.tier].label
        table.add_row(
            one.asset,
            one.department,
            tier.ja if japanese else tier.en,
            one.standing.ja if japanese else str(one.standing),
            one.why,
        )
    return table


def _print_rehearsal(changes: dict[str, Any]) -> None:
    table = Table("terminal", "would change", "outcome")
    for name, one in changes["terminals"].items():
        table.add_row(name, str(one["changed"]), one["outcome"])
    console = Console()
    console.print(table)
    for line in changes["diff"]:
        console.print(line, markup=False, highlight=False)
