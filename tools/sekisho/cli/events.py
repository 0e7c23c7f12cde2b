"""`sekisho events`: what was taken in is found again."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape

from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    print_json,
    say,
    screen,
    visible,
)
from sekisho.cli.silent import silent
from sekisho.cli.times import span_of
from sekisho.core.clock import JAPAN
from sekisho.core.language import Both
from sekisho.telemetry import query, stores
from sekisho.telemetry.event import FIELDS, Event, moment
from sekisho.telemetry.formats import journal
from sekisho.telemetry.query import Search

_SAID = ("message", "Message", "MESSAGE")
events = typer.Typer(help="Events of the store.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the front door."""
    events.command("silent")(silent)
    app.add_typer(events, name="events")


@events.command("search")
def find(
    asked: Annotated[
        str, typer.Argument(metavar="QUERY", help='host.name:pc-0001 powershell -user.name:SYSTEM "a phrase"')
    ] = "",
    state: StateOption = DEFAULT_STATE,
    since: Annotated[
        str | None, typer.Option("--since", help="From this time on (Japan time unless it names a zone).")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many, the latest first; 0 for all.")] = 100,
    count: Annotated[bool, typer.Option("--count", help="Print only how many there are.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Find events, the latest first."""
    store = stores.there(state)
    span = span_of(since, until, ("--since", "--until"))
    wanted = Search(query.parse(asked), span)
    if count:
        found = store.count(wanted)
        print_json(found) if as_json else typer.echo(found)
        return
    some = store.search(wanted, limit=limit + 1 if limit else None)
    if limit:
        some = _first(some, limit)
    if as_json:
        _print_json(some)
    elif as_csv:
        _print_csv(some)
    else:
        _print_table(some)


def _first(some: Iterator[Event], limit: int) -> Iterator[Event]:
    """The first of them; that there are more is told, lest anyone take them for all."""
    yield from islice(some, limit)
    if next(some, None) is not None:
        more = Both(f"新しい順に{limit}件のみ。すべては --limit 0", f"only the latest {limit}; --limit 0 for all")
        typer.echo(say(more), err=True)


def _when(event: Event) -> str | None:
    return None if event.time is None else moment(event.time).isoformat()


def _what(event: Event) -> str:
    """What is worth a line of it: what was run, or said; where nothing of that is known, its source."""
    record, one = orjson.loads(event.source), event.ecs
    said = next((told for key in _SAID if (told := journal.text(record.get(key)))), None)
    ran = one.process__command_line or one.process__executable
    first, second = (said, ran) if journal.MARK in record else (ran, said)  # a daemon's own command line says nothing
    return first or second or event.source.decode()


def _japan(event: Event) -> str:
    try:
        return "" if event.time is None else f"{moment(event.time).astimezone(JAPAN):%Y-%m-%d %H:%M:%S}"
    except OverflowError:  # a clock at the end of the year 9999
        return str(_when(event))


def _print_json(some: Iterable[Event]) -> None:
    """One array, written as it comes: the answer may be larger than memory."""
    between = "[\n"
    for event in some:
        # The source as it came: it may be nested deeper than Python's own JSON goes.
        told = json.dumps(_as_json(event), ensure_ascii=False)[:-1]
        typer.echo(f'{between}{told}, "source": {event.source.decode()}}}', nl=False)
        between = ",\n"
    typer.echo("[]" if between == "[\n" else "\n]")


def _as_json(event: Event) -> dict[str, Any]:
    ecs = {name: value for name, value in zip(FIELDS, event.ecs, strict=True) if value is not None}
    return {
        "id": event.id.hex(),
        "@timestamp": _when(event),
        **ecs,
        "log.file.path": event.file,
        "log.offset": event.offset,
    }


def _print_csv(some: Iterable[Event]) -> None:
    out = csv.writer(sys.stdout)
    out.writerow(["id", "@timestamp", *FIELDS, "log.file.path", "log.offset"])
    for event in some:
        cells = [event.id.hex(), _when(event), *event.ecs, event.file, event.offset]
        # A spreadsheet would run what begins so.
        out.writerow([f"'{one}" if isinstance(one, str) and one[:1] in set("=+-@\t\r") else one for one in cells])


def _print_table(some: Iterator[Event]) -> None:
    from sekisho.cli import tables  # noqa: PLC0415 - slow to load, for those who ingest

    table = tables.table(
        Both("日時", "time"), Both("端末", "host"), Both("種別", "event"), Both("利用者", "user"), Both("内容", "what")
    )
    for event in some:
        one = event.ecs
        what = _what(event)
        kind = " ".join(filter(None, (one.event__dataset, one.event__code)))
        table.add_row(
            _japan(event),
            *(escape(visible(text or "")[:160]) for text in (one.host__name, kind, one.user__name, what)),
        )
    screen().print(table)
