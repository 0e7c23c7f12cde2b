"""`sekisho rules check --store`: the rules that can match nothing of what the store has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import typer

from sekisho.cli.bar import Bar
from sekisho.cli.options import say, visible
from sekisho.core.clock import japan, now, stamp
from sekisho.core.language import Both
from sekisho.detection import blind
from sekisho.detection.blind import Blind
from sekisho.detection.matching import correlate
from sekisho.detection.rules.rule import LEVELS, Rule, Ruleset
from sekisho.detection.sight import Sight
from sekisho.telemetry import stores
from sekisho.telemetry.query import Span
from sekisho.telemetry.workers import Workers


class Looked(NamedTuple):
    """What was found: since when, in how many events, and the rules that are blind."""

    since: str
    events: int
    rules: int
    blind: tuple[Blind, ...]


def look(ruleset: Ruleset, state: Path, period: timedelta) -> Looked:
    """Look through the events of a period until now.

    Raises:
        Missing: there are none, or not all of them can be read.
    """
    store = stores.there(state)
    begin = now() - period
    sight = Sight(ruleset.rules, correlate.facts(ruleset))
    span = Span(int(begin.timestamp() * 1_000_000))
    with Workers() as some, Bar() as bar:

        def tell(done: int, size: int) -> None:
            bar.show(Both(f"イベント {size:,}件", f"{size:,} events"), done=done, size=size)

        seen = sight.of_store(store, span, some, tell)
    found = tuple(sorted(blind.blind(ruleset, seen), key=_order))
    return Looked(stamp(begin), seen.events, len(ruleset.rules) + len(ruleset.correlations), found)


def tell(found: Looked) -> None:
    """Name each rule that is blind, with its reason."""
    for one in found.blind:
        typer.echo(visible(f"{one.rule.level or '-'}  {one.rule.title} ({one.rule.id}): {say(one.why)}{_logs(one)}"))
    when, count = japan(found.since), f"{len(found.blind):,}"
    told = Both(
        f"ルール {found.rules:,}件中 {count}件が見えていない({when} 以降のイベント {found.events:,}件による)",
        f"{count} of {found.rules:,} rules are blind, by {found.events:,} events since {when} (Japan time)",
    )
    typer.echo(say(told))


def as_json(found: Looked) -> dict[str, Any]:
    """The same for a program."""
    return {"since": found.since, "events": found.events, "rules": found.rules, "blind": _told(found.blind)}


def _told(some: Sequence[Blind]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.rule.id,
            "title": one.rule.title,
            "level": one.rule.level,
            "logsource": _source(one),
            "kind": one.kind,
            "fields": one.fields,
            "reason": say(one.why),
        }
        for one in some
    ]


def _source(one: Blind) -> dict[str, str]:
    return one.rule.logsource.as_dict() if isinstance(one.rule, Rule) else {}


def _logs(one: Blind) -> str:
    if one.kind != "logsource":
        return ""
    return f" ({', '.join(f'{key}: {value}' for key, value in _source(one).items())})"


def _order(one: Blind) -> tuple[int, str, str]:
    level = -1 if one.rule.level is None else LEVELS.index(one.rule.level)
    return -level, say(one.why), one.rule.title
