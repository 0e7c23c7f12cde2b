"""`sekisho events silent`: terminals whose logs have stopped."""

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
from sekisho.fleet.ledger import Ledger
from sekisho.policy import telemetry as policy
from sekisho.policy import tiers
from sekisho.telemetry import heard
from sekisho.telemetry.event import moment


def silent(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Name each terminal that was silent for longer than policy allows; exit code 1 if any was.

    Only terminals with a certificate count, in tiers that policy lets reach the collector.
    """
    opened = open_state(state)
    heard_of = {tier for flow in tiers.read().flows if "collector" in flow.to for tier in flow.from_}
    terminals = {one.asset: one for one in Ledger(opened).terminals() if one.serial and one.tier in heard_of}
    minutes, known = policy.read().silent_minutes, heard.known(opened.folder)
    found = heard.silent(known, terminals, timedelta(minutes=minutes))
    when = stamp(moment(known.asked)) if known else ""
    if as_json:
        some = [{"asset": one.asset, "since": one.since and stamp(one.since)} for one in found]
        print_json({"asked": when, "minutes": minutes, "terminals": len(terminals), "silent": some})
    else:
        table = tables.table(Both("端末", "terminal"), Both("部署", "department"), Both("最終受信", "last heard"))
        for one in found:
            last = japan(stamp(one.since)) if one.since else say(Both("受信なし", "never"))
            table.add_row(one.asset, terminals[one.asset].department, last)
        if found:
            screen().print(table)
        typer.echo(
            say(
                Both(
                    f"{len(terminals)}台中{len(found)}台から{minutes}分を超えてログが届いていない({japan(when)} 時点)",
                    f"{len(found)} of {len(terminals)} terminals have been silent for over {minutes} minutes"
                    f" (asked at {japan(when)} in Japan)",
                )
            )
        )
    if found:
        raise typer.Exit(1)
