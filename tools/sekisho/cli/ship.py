"""`sekisho ship`: from the collector's spool into the store."""

from __future__ import annotations

import time
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sekisho.cli.bar import Bar
from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    asked,
    print_json,
    say,
)
from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.core.state import open_state
from sekisho.fleet import hosts
from sekisho.policy import telemetry as policy
from sekisho.policy import tiers
from sekisho.telemetry import heard, spool, stores
from sekisho.telemetry.ship import Shipped, Shipper

_REST = 2.0  # seconds between two rounds


def register(app: typer.Typer) -> None:
    """Add the command to the front door."""
    app.command("ship")(ship)


def ship(
    state: StateOption = DEFAULT_STATE,
    once: Annotated[bool, typer.Option("--once", help="Ship what is there now, and end.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Take what terminals sent from the collector into the store, each event once; it may be killed at any moment."""
    folder = open_state(state).folder
    source = spool.remote(folder, str(hosts.read(tiers.read()).one("collector").address))
    zone = ZoneInfo(policy.read().zone)
    known = heard.known(folder)
    bar = Bar(quiet=as_json, endless=True)
    store = stores.of(folder, bar.tell)
    total, told = Shipped(), ""
    with bar:
        while True:
            before = total

            def tell(now: Shipped, before: Shipped = before) -> None:
                nonlocal total
                total = Shipped(
                    before.new + now.new, before.known + now.known, before.rejected + now.rejected, now.left
                )
                bar.show(_words(total))

            try:
                with store.writing() as writer:  # between two rounds others may write
                    known = heard.keep(folder, Shipper(source, writer, zone, folder).ship(tell), known)
                told = ""
            except SekishoError as error:
                if once:
                    raise
                if str(error) != told:  # once, and not again at every round
                    told = str(error)
                    bar.tell(error.told(asked()))
            if once:
                break
            time.sleep(_REST)
    if as_json:
        print_json(total._asdict())
    else:
        typer.echo(say(_words(total)))


def _words(shipped: Shipped) -> Both:
    return Both(
        f"新しいイベント {shipped.new:,}件、既にあったもの {shipped.known:,}件、"
        f"読めずに取り置いた行 {shipped.rejected:,}件、残り {shipped.left / 1_000_000:,.1f} MB",
        f"{shipped.new:,} new events, {shipped.known:,} known before, {shipped.rejected:,} lines set aside, "
        f"{shipped.left / 1_000_000:,.1f} MB left",
    )
