"""`sekisho events silent`: terminals and servers whose logs have stopped."""

from __future__ import annotations

from datetime import timedelta

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
from sekisho.core.clock import japan, stamp
from sekisho.core.language import Both
from sekisho.core.state import open_state
from sekisho.fleet import hosts
from sekisho.fleet.ledger import Ledger
from sekisho.policy import telemetry as policy
from sekisho.policy import tiers
from sekisho.telemetry import heard
from sekisho.telemetry.event import moment

_MACHINE = Both("端末・サーバ", "machine")


def silent(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Name each terminal and server that was silent for longer than policy allows; exit code 1 if any was.

    Only those count that policy lets reach the collector; of terminals, those with a certificate.
    """
    opened, flows = open_state(state), tiers.read()
    heard_of = {name for flow in flows.flows if "collector" in flow.to for name in flow.from_}
    servers = {name: host.role for name, host in hosts.read(flows).hosts.items() if name in heard_of}
    terminals = {one.asset: one for one in Ledger(opened).terminals() if one.serial and one.tier in heard_of}
    minutes, known = policy.read().silent_minutes, heard.known(opened.folder)
    found = heard.silent(known, [*terminals, *servers], timedelta(minutes=minutes))
    when = stamp(moment(known.asked)) if known else ""
    if as_json:
        some = [{"asset": one.asset, "since": one.since and stamp(one.since)} for one in found]
        counts = {"terminals": len(terminals), "servers": len(servers)}
        print_json({"asked": when, "minutes": minutes, **counts, "silent": some})
    else:
        table = tables.table(_MACHINE, Both("部署・役割", "department or role"), Both("最終受信", "last heard"))
        for one in found:
            last = japan(stamp(one.since)) if one.since else say(Both("受信なし", "never"))
            where = terminals[one.asset].department if one.asset in terminals else servers[one.asset]
            table.add_row(one.asset, where, last)
        if found:
            screen().print(table)
        typer.echo(
            say(
                Both(
                    f"端末{len(terminals)}台・サーバ{len(servers)}台のうち{len(found)}台から{minutes}分を超えて"
                    f"ログが届いていない({japan(when)} 時点)",
                    f"{len(found)} of {len(terminals)} terminals and {len(servers)} servers have been silent for over"
                    f" {minutes} minutes (asked at {japan(when)} in Japan)",
                )
            )
        )
    if found:
        raise typer.Exit(1)
