"""Our own rules, the events that stand beside them, and what of these a watch has to tell."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sekisho.core.clock import JAPAN
from sekisho.detection import load
from sekisho.detection.alerts.ledger import open_ledger
from sekisho.detection.detect import Detector
from sekisho.detection.matching import alert, correlate
from sekisho.detection.matching.engine import Engine
from sekisho.detection.rules.rule import Ruleset
from sekisho.detection.watch import Watch
from sekisho.telemetry.arrivals import Source
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Event
from sekisho.telemetry.ingest import ingest
from sekisho.telemetry.query import Search
from sekisho.telemetry.workers import Workers

OURS = Path(__file__).parents[2] / "detection_rules"
HOUR = 3_600_000_000  # microseconds


@cache
def ours() -> Ruleset:
    """Our rules."""
    found = load.load(sorted(OURS.rglob("rule.yml")))
    assert not found.unusable
    return found


@cache
def detector() -> Detector:
    """What our rules are asked by."""
    return Detector(Engine(ours()), correlate.facts(ours()))


def beside_them(folder: Path) -> list[Event]:
    """The events that stand beside the rules, as the embedded store takes them, in the order of their times."""
    store = EmbeddedStore(folder)
    with store.writing() as writer:
        paths = sorted([*OURS.rglob("hit.ndjson"), *OURS.rglob("miss.ndjson")])
        ingest(paths, writer, JAPAN, lambda _: None, Workers(0))
    once = {one.id: one for one in store.search(Search())}  # written by hand, some have a cursor of others
    return sorted(once.values(), key=lambda one: (one.time or 0, one.id))


def home(folder: Path, lateness: str) -> dict[str, str]:
    """The environment of a command by whose policy correlations wait for so long."""
    shutil.copytree(OURS.parent / "policies", folder / "policies")
    path = folder / "policies" / "detection.yml"
    text, changed = re.subn(r"(?m)^lateness: .*$", f"lateness: {lateness}", path.read_text(encoding="utf-8"))
    assert changed == 1
    path.write_text(text, encoding="utf-8")
    return {"SEKISHO_HOME": str(folder)}


def wanted(events: Sequence[Event]) -> dict[str, tuple[str, str | None]]:
    """What `detect` tells of a finished set of events: by the ids of alerts, their rule and time."""
    return of_one_event(events) | {
        correlate.identity(one): (one.rule.id, alert.when(one.time))
        for one in correlate.correlated(ours(), list(detector().in_events(events)))
        if one.rule.id not in ours().silent
    }


def of_one_event(events: Sequence[Event]) -> dict[str, tuple[str, str | None]]:
    """Those that rest on one event alone."""
    rules = ours().rules
    return {
        alert.identity(rules[one.place], one): (rules[one.place].id, alert.when(one.time))
        for one in detector().in_events(events)
        if rules[one.place].id not in ours().silent
    }


def known(told: Iterable[dict[str, Any]]) -> dict[str, tuple[str, str | None]]:
    """The same of what was told; nothing was told twice."""
    some = list(told)
    found = {one["alert_id"]: (one["rule_id"], one["timestamp"]) for one in some}
    assert len(found) == len(some), "an alert was told twice"
    return found


@contextmanager
def watching(folder: Path, source: tuple[str, Source], lateness: int, now: Sequence[int]) -> Iterator[Watch]:
    """A watch that has just been started; the first of `now` is the time."""
    ledger = open_ledger(folder, create=True)
    try:
        with Workers(0) as workers:
            yield Watch(detector(), source, ledger, lateness, workers, lambda: now[0])
    finally:
        ledger.close()


def kept(folder: Path) -> dict[str, tuple[str, str | None]]:
    """What the ledger has."""
    ledger = open_ledger(folder)
    try:
        return known(ledger.alerts())
    finally:
        ledger.close()
