"""`sekisho watch`: rules over what arrives in the store."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.bar import Bar
from sekisho.cli.detect import CacheOption, RulesOption, StrictOption, line, rules_of, scanner_of, tell_unusable
from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, asked, say
from sekisho.core.errors import SekishoError
from sekisho.core.files import alone
from sekisho.core.language import Both
from sekisho.detection.alerts.ledger import open_ledger
from sekisho.detection.detect import Detector
from sekisho.detection.matching import correlate
from sekisho.detection.matching.engine import Engine
from sekisho.detection.watch import Watch
from sekisho.policy import detection
from sekisho.telemetry import stores
from sekisho.telemetry.arrivals import Source
from sekisho.telemetry.embedded.arrivals import BatchesOf
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.workers import Workers

_REST = 1.0  # seconds between two rounds


def register(app: typer.Typer) -> None:
    """Add the command to the front door."""
    app.command("watch")(watch)


def watch(
    rules: RulesOption = None,
    once: Annotated[bool, typer.Option("--once", help="Judge what has arrived until now, and end.")] = False,
    from_now: Annotated[
        bool, typer.Option("--from-now", help="The first time, leave out what is there; then go on where it was.")
    ] = False,
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="How many processes; all processors.")] = None,
    strict: StrictOption = False,
    no_cache: CacheOption = False,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Tell what the rules find in what arrives, each alert once; it may be killed at any moment.

    Each alert is kept before it is told: `sekisho alerts` lists them. With --json one object a line.
    """
    lateness = detection.read().lateness // timedelta(microseconds=1)
    ruleset, cache = rules_of(rules, state, keep=not no_cache)
    tell_unusable(ruleset.unusable, strict=strict)
    detector = Detector(Engine(ruleset), correlate.facts(ruleset), scanner_of(ruleset, cache))
    shown = sys.stdout.isatty()
    busy = Both(f"{state} は別の処理が監視中", f"another command is watching {state}")
    # In this order: the processes must not hold the lock.
    with Workers(workers) as some, alone(state / "watch.lock", busy):
        ledger = open_ledger(state, create=True)
        try:
            one = Watch(detector, _source(state), ledger, lateness, some)
            if from_now:
                one.skip()
            with Bar(endless=True, among=shown) as bar:
                count = _run(one, bar, once=once, as_json=as_json)
        finally:
            ledger.close()
    if not as_json:
        typer.echo(say(Both(f"新しいアラート {count:,}件", f"{count:,} new alerts")), err=True)


def _run(one: Watch, bar: Bar, *, once: bool, as_json: bool) -> int:
    """Rounds; how many alerts were new."""
    events, alerts, told = 0, 0, ""

    def tell(some: int) -> None:
        nonlocal events
        events += some
        bar.show(Both(f"イベント {events:,}件、アラート {alerts:,}件", f"{events:,} events, {alerts:,} alerts"))

    while True:
        try:
            for found in one.round(tell):
                bar.print(line(found, as_json=as_json))
                alerts += 1
            told = ""
        except SekishoError as error:
            if once:
                raise
            if str(error) != told:  # once, and not again at every round
                told = str(error)
                bar.tell(error.told(asked()))
        if once and not one.behind:
            return alerts
        if told or not one.behind:
            time.sleep(_REST)


def _source(state: Path) -> tuple[str, Source]:
    """The store, and the name under which its position is kept."""
    store = stores.there(state)
    if isinstance(store, EmbeddedStore):
        return "embedded", BatchesOf(store.folder)
    from sekisho.telemetry.elastic.arrivals import ShardsOf  # noqa: PLC0415 - its client is slow to load

    return "elasticsearch", ShardsOf(store.settings)
