"""`sekisho rollback`, `release` and `defer`: back, home again, or not now."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, print_json, say
from sekisho.cli.progress import Progress
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.core.reason import because, typed
from sekisho.core.sentences import Code
from sekisho.core.state import State, open_state
from sekisho.core.text import plain
from sekisho.fleet import operator
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.migration import defer as deferring
from sekisho.migration import rollback, start


def register(app: typer.Typer) -> None:
    """Add the commands to the front door."""
    app.command("rollback")(roll_back)
    app.command("release")(release)
    app.command("defer")(defer)


def roll_back(
    terminal: Annotated[list[str] | None, typer.Argument(help="Asset numbers.")] = None,
    wave: Annotated[str | None, typer.Option("--wave", help="All terminals of a wave.")] = None,
    why: Annotated[str | None, typer.Option("--why", help="The reason, for the record.")] = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Take terminals back: from probation straight home; confirmed ones into quarantine."""
    if bool(terminal) == bool(wave):
        raise BadInput(
            Both("端末かウェーブのどちらか一方を指定する", "name either terminals or a wave"),
            Both("例: sekisho rollback PC-0001", "for example: sekisho rollback PC-0001"),
        )
    opened = open_state(state)
    chosen = _named(opened, terminal or []) or Ledger(opened).terminals(wave=wave)
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
    terminal: Annotated[list[str], typer.Argument(help="Asset numbers.")],
    cleaned_by: Annotated[str, typer.Option("--cleaned-by", help="The post that answers for it.")],
    scan_report: Annotated[
        Path | None, typer.Option("--scan-report", help="The malware scan's report; its digest is kept.")
    ] = None,
    reinstalled: Annotated[
        datetime | None, typer.Option("--reinstalled", help="The day of reinstallation.", formats=["%Y-%m-%d"])
    ] = None,
    state: StateOption = DEFAULT_STATE,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Take quarantined terminals back to the LGWAN tier, through the return gate."""
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
        why = both(str(error.strerror))
        raise BadInput(
            Both(f"{scan_report}: {why.ja}", f"{scan_report}: {why.en}"),
            Both("検査報告書のファイルを指定する", "name the report's file"),
        ) from error
    proof |= {"reinstalled": reinstalled.date().isoformat()} if reinstalled else {}
    opened = open_state(state)
    chosen = _named(opened, terminal)
    with (
        Progress(quiet=False, verbose=False) as progress,
        start.opened(opened, chosen[0].wave or "-", who=operator.name(), listener=progress) as run,
    ):
        rollback.release(run, chosen, cleaned_by=cleaned_by, proof=proof)
    for one in chosen:
        typer.echo(f"{one.asset}: {say(because(Code.RELEASED))}")


def defer(
    terminal: Annotated[list[str], typer.Argument(help="Asset numbers.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.")],
    state: StateOption = DEFAULT_STATE,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Put terminals off: their wave waits for them no longer. `sekisho plan --terminal` takes them up again."""
    opened = open_state(state)
    chosen = _named(opened, terminal)
    with (
        Progress(quiet=True, verbose=False) as progress,
        start.opened(opened, chosen[0].wave or "-", who=operator.name(), listener=progress) as run,
    ):
        deferring.defer(run, chosen, typed(why))
    for one in chosen:
        typer.echo(f"{one.asset}: {say(Standing.DEFERRED)}")


def _named(opened: State, assets: list[str]) -> list[Terminal]:
    ledger = Ledger(opened)
    return [ledger.terminal(plain(asset).upper()) for asset in assets]
