"""`sekisho store init|migrate|replay`: the event store in Elasticsearch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

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
from sekisho.core import faults
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.telemetry import migrate, stores
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.elastic.store import ElasticStore
from sekisho.telemetry.migrate import Moved


def register(app: typer.Typer) -> None:
    """Add the commands to the group of the store."""
    app.command("init")(init)
    app.command("migrate")(move)
    app.command("replay")(replay)


def init(
    urls: Annotated[
        list[str], typer.Option("--elasticsearch", metavar="URL", help="A node, https://HOST:9200; may be repeated.")
    ],
    state: StateOption = DEFAULT_STATE,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="The CA of its certificates (PEM); no other is believed.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Who comes in.")] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="A file with the password.")] = None,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="A file with an API key, instead of user and password.")
    ] = None,
    replicas: Annotated[int, typer.Option("--replicas", min=0, max=9, help="Copies of each day on other nodes.")] = 1,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Make an Elasticsearch the store of this state folder; it is given the index template and asked what it can do."""
    files = {"ca_file": ca_file, "password_file": password_file, "api_key_file": api_key_file}
    paths = {name: path and path.resolve() for name, path in files.items()}
    try:
        settings = Settings.model_validate({"urls": tuple(urls), "user": user, "replicas": replicas, **paths})
    except ValidationError as error:
        found = [faults.told(one) for one in error.errors()]
        raise BadInput(
            Both("\n".join(one.ja for one in found), "\n".join(one.en for one in found)),
            Both("オプションを直して、もう一度実行する", "mend the options and run it again"),
        ) from error
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    found_store = ElasticStore(settings, state, lambda _: None)
    found_store.lay_out()
    answer = _about(found_store)
    stores.choose(state, settings)
    if as_json:
        print_json({"elasticsearch": answer})
        return
    tell({"elasticsearch": answer, "dead_letters": found_store.letters.count()})
    if stores.embedded(state).folder.is_dir():
        typer.echo(
            say(
                Both(
                    f"組込みの保存先にイベントがある。`sekisho store migrate --state {state}` で移す",
                    f"the embedded store has events: `sekisho store migrate --state {state}` moves them",
                )
            )
        )


def move(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Move what the embedded store holds into Elasticsearch; run again, it continues. Nothing is removed."""
    source = stores.embedded(state)
    bar = Bar(quiet=as_json)
    target = stores.of(state, bar.tell)
    if not isinstance(target, ElasticStore):
        raise BadInput(
            Both(f"{state} の保存先はElasticsearchではない", f"the store of {state} is no Elasticsearch"),
            Both("先に `sekisho store init` を実行する", "run `sekisho store init` first"),
        )
    if not source.folder.is_dir():
        raise BadInput(
            Both(f"{source.folder} がない。移すイベントはない", f"there is no {source.folder}: no events to move"),
            Both("--state を確かめる", "check --state"),
        )

    def tell_moved(told: Moved) -> None:
        words = Both(f"移行 {told.rows:,}/{told.all:,}件", f"moving: {told.rows:,} of {told.all:,}")
        bar.show(words, done=told.rows, size=told.all)

    with bar:
        moved = migrate.migrate(source, target, state, tell_moved)
    if as_json:
        print_json(moved._asdict())
    else:
        typer.echo(say(_moved(moved, source.folder)))
    if moved.refused:
        raise typer.Exit(1)


def _moved(moved: Moved, folder: Path) -> Both:
    if moved.refused:
        return Both(
            f"{moved.refused:,}件をElasticsearchが受け付けず、dead-letters に取り置いた。"
            "`sekisho store replay` の後でもう一度実行する",
            f"Elasticsearch refused {moved.refused:,}, which lie in dead-letters; "
            "run `sekisho store replay`, and then this again",
        )
    return Both(
        f"{moved.rows:,}件を確認した(うち新しく移したもの {moved.new:,}件)。日ごとの件数は足りている。"
        f"{folder} は削除してよい",
        f"{moved.rows:,} events and lines are in Elasticsearch, {moved.new:,} of them newly; each day has its number. "
        f"{folder} may be removed",
    )


def replay(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Send again what Elasticsearch refused for what it is. Exit code 1 when it refused some of it again."""
    store = stores.of(state, lambda trouble: typer.echo(say(trouble), err=True))
    new, left = 0, 0
    if isinstance(store, ElasticStore):
        with store.writing() as writer:
            added = writer.replay()
            new, left = added.new + added.rejected, writer.refused
    if as_json:
        print_json({"new": new, "refused": left})
    else:
        typer.echo(
            say(Both(f"新しく入ったもの {new:,}件、再び拒否 {left:,}件", f"{new:,} are in now, {left:,} refused again"))
        )
    if left:
        raise typer.Exit(1)


def status(store: ElasticStore) -> dict[str, Any]:
    """What the store holds, in the shape of the embedded one's, and what the cluster is."""
    days, aside = store.holds()
    return {
        "events": sum(day.events for day in days.values()),
        "set_aside": aside,
        "days": {name: day._asdict() for name, day in sorted(days.items())},
        "dead_letters": store.letters.count(),
        "elasticsearch": _about(store),
    }


def _about(store: ElasticStore) -> dict[str, Any]:
    server, health = store.server()
    return {"urls": list(store.settings.urls), "version": server.version, "health": health, "can": server.abilities}


def tell(found: dict[str, Any]) -> None:
    """Print what the cluster is, and what it lacks."""
    about = found["elasticsearch"]
    lacks = ", ".join(name for name, can in about["can"].items() if not can)
    version, health = about["version"], about["health"]
    typer.echo(say(Both(f"Elasticsearch {version}、状態 {health}", f"Elasticsearch {version}, {health}")))
    if lacks:
        typer.echo(say(Both(f"ない機能(なくても動く): {lacks}", f"it lacks, and we work without: {lacks}")))
    if dead := found["dead_letters"]:
        typer.echo(
            say(
                Both(
                    f"受け付けられなかったもの {dead:,}件(`sekisho store replay` で送り直す)",
                    f"{dead:,} were refused; `sekisho store replay` sends them again",
                )
            )
        )
