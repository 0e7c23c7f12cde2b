"""`sekisho ingest`: files become events of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sekisho.cli.bar import Bar
from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    print_json,
    say,
)
from sekisho.core.language import Both
from sekisho.policy import telemetry as policy
from sekisho.telemetry import ingest as ingesting
from sekisho.telemetry import stores
from sekisho.telemetry.ingest import Progress
from sekisho.telemetry.store import Sink
from sekisho.telemetry.workers import Workers

_NAME = 24  # letters of a file's name beside the bar


def register(app: typer.Typer) -> None:
    """Add the command to the front door."""
    app.command("ingest")(ingest)


def ingest(
    files: Annotated[list[Path], typer.Argument(help="NDJSON, JSON, EVTX, audit logs, syslog: plain, gz or zip.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Take events from files, each once; run again, it continues. Exit code 1 when lines were set aside."""
    zone = ZoneInfo(policy.read().zone)
    bar = Bar(quiet=as_json)
    store = stores.of(state, bar.tell)
    with Workers() as workers, store.writing() as writer, bar:
        size = sum(path.stat().st_size for path in files if path.is_file())

        def tell(progress: Progress) -> None:
            new, name = progress.total.new, Path(progress.name).name
            short = name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"  # or it would push the bar out
            words = Both(f"新しいイベント {new:,}件  {short}", f"{new:,} new events  {short}")
            bar.show(words, done=progress.octets, size=size)

        sink: Sink[Any] = writer
        total = ingesting.ingest(files, sink, zone, tell, workers)
        bar.end()
    if as_json:
        print_json(total._asdict())
    else:
        typer.echo(
            say(
                Both(
                    f"新しいイベント {total.new:,}件、既にあったもの {total.known:,}件、"
                    f"読めずに取り置いた行 {total.rejected:,}件",
                    f"{total.new:,} new events, {total.known:,} known before, {total.rejected:,} lines set aside",
                )
            )
        )
        if total.refused:
            typer.echo(
                say(
                    Both(
                        f"Elasticsearchが{total.refused:,}件を受け付けず、dead-letters に取り置いた。"
                        "原因を直してから `sekisho store replay` で送り直す",
                        f"Elasticsearch refused {total.refused:,}, which lie in dead-letters; "
                        "when their cause is mended, `sekisho store replay` sends them again",
                    )
                )
            )
    if total.rejected or total.refused:
        raise typer.Exit(1)
