"""`sekisho store`: what the event store holds, and keeping it in order."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.cli import elastic, tables
from sekisho.cli.aside import set_aside
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
from sekisho.core.clock import japan, now
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.policy import telemetry as policy
from sekisho.telemetry import stores
from sekisho.telemetry.elastic.store import ElasticStore
from sekisho.telemetry.embedded import tidy
from sekisho.telemetry.embedded.store import EmbeddedStore

app = typer.Typer(help="The event store.", no_args_is_help=True)
elastic.register(app)
app.command("set-aside")(set_aside)


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="store")


@app.command()
def status(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """What the store holds: events and octets of each day, and what was set aside."""
    store = stores.there(state)
    found = elastic.status(store) if isinstance(store, ElasticStore) else _embedded(store)
    if as_json:
        print_json(found)
        return
    table = tables.table(
        Both("日(UTC)", "day (UTC)"),
        Both("イベント", "events"),
        Both("ファイル", "parts"),
        Both("MB", "MB"),
        Both("最終到着", "last arrival"),
    )
    for name, day in found["days"].items():
        size = f"{day['octets'] / 1_000_000:,.1f}"
        table.add_row(name, f"{day['events']:,}", str(day.get("parts", "")), size, japan(day["arrived"]))
    screen().print(table)
    told = Both(
        f"イベント {found['events']:,}件、取り置き {found['set_aside']:,}行",
        f"{found['events']:,} events, {found['set_aside']:,} lines set aside",
    )
    typer.echo(say(told))
    if isinstance(store, ElasticStore):
        elastic.tell(found)


def _embedded(store: EmbeddedStore) -> dict[str, Any]:
    manifest = store.manifest()
    days: dict[str, dict[str, Any]] = defaultdict(lambda: {"events": 0, "parts": 0, "octets": 0, "arrived": ""})
    for part in manifest.parts:
        day = days[part.partition]
        day["events"] += part.rows
        day["parts"] += 1
        day["octets"] += (store.folder / part.file).stat().st_size
        day["arrived"] = max(day["arrived"], part.arrived)
    aside = sum(part.rows for part in manifest.rejects)
    return {"events": manifest.rows, "set_aside": aside, "days": dict(sorted(days.items()))}


@app.command("tidy")
def tidy_up(
    user: Annotated[
        str | None, typer.Option("--user", help="Of Elasticsearch: the account that may remove indices.")
    ] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="The file of its password.")] = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Merge small parts, and let go of what is older than policies/telemetry.yml keeps it."""
    kept, fewer = policy.read().retention_days, 0
    store = stores.there(state)
    if isinstance(store, ElasticStore):
        if user or password_file:
            store = _seen_by(store, user, password_file)
        gone = store.expire(kept, now())
    else:
        with store.writing() as writer:
            gone = tidy.expire(writer, kept, now())
            fewer = tidy.merge(writer)
    _forget(state, now() - timedelta(days=kept))
    if as_json:
        print_json({"expired": gone.events, "set_aside_expired": gone.lines, "parts_fewer": fewer})
        return
    typer.echo(
        say(
            Both(
                f"保存期間({kept}日)を過ぎたイベント {gone.events:,}件と取り置き {gone.lines:,}行を削除、"
                f"ファイルを{fewer}個減らした",
                f"{gone.events:,} events and {gone.lines:,} lines set aside, older than {kept} days, are gone; "
                f"{fewer} parts fewer",
            )
        )
    )


def _forget(state: Path, before: datetime) -> None:
    """Let go of what `sekisho watch` holds for correlations from before a time; alerts stay."""
    from sekisho.detection.alerts import ledger  # noqa: PLC0415 - only when the store is tidied

    if (state / ledger.NAME).exists():
        opened = ledger.open_ledger(state)
        try:
            opened.forget(int(before.timestamp() * 1_000_000))
        finally:
            opened.close()


def _seen_by(store: ElasticStore, user: str | None, password_file: Path | None) -> ElasticStore:
    if not user or not password_file:
        raise BadInput(
            Both("--user と --password-file は組で指定する", "--user and --password-file belong together"),
            Both(
                "例: --user sekisho_keeper --password-file FILE", "such as --user sekisho_keeper --password-file FILE"
            ),
        )
    return store.seen_by(user, password_file)
