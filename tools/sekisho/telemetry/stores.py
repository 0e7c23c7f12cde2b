"""Which store a state folder has: `store.yml` names an Elasticsearch; without that file, the embedded one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import yaml

from sekisho.core.errors import Missing
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.core.yamlfile import Strict, load
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.embedded.store import EmbeddedStore

if TYPE_CHECKING:
    from sekisho.telemetry.elastic.store import ElasticStore

NAME = "store.yml"
EVENTS = "events"  # the embedded store's folder

AnyStore: TypeAlias = "EmbeddedStore | ElasticStore"


class Chosen(Strict):
    """The whole of `store.yml`."""

    version: Literal[1] = 1
    elasticsearch: Settings


def of(folder: Path, tell: Callable[[Both], None] = lambda _: None) -> AnyStore:
    """The store of the state in `folder`; `tell` is told what a writer waits for.

    Raises:
        BadInput: `store.yml` is not right.
    """
    if (folder / NAME).exists():
        from sekisho.telemetry.elastic.store import ElasticStore  # noqa: PLC0415 - its client is slow to load

        return ElasticStore(load(folder / NAME, Chosen).elasticsearch, folder, tell)
    return embedded(folder)


def there(folder: Path, tell: Callable[[Both], None] = lambda _: None) -> AnyStore:
    """The store of the state in `folder`, which was written to at some time.

    Raises:
        Missing: nothing was ever taken into it: an empty answer would be taken for one.
        BadInput: `store.yml` is not right.
    """
    store = of(folder, tell)
    if isinstance(store, EmbeddedStore) and not store.folder.is_dir():
        raise Missing(
            Both(f"{folder} にはまだイベントがない", f"{folder} has no events yet"),
            Both(
                "--state を確かめるか、`sekisho ingest` で取り込む",
                "check --state, or take some in by `sekisho ingest`",
            ),
        )
    return store


def embedded(folder: Path) -> EmbeddedStore:
    """The embedded store of the state in `folder`, also when it is no longer the one in use."""
    return EmbeddedStore(folder / EVENTS)


def choose(folder: Path, settings: Settings) -> None:
    """Make an Elasticsearch the store of the state in `folder`.

    Raises:
        Missing: the file cannot be written.
    """
    content = Chosen(elasticsearch=settings).model_dump(mode="json", exclude_none=True)
    write_atomic(folder / NAME, yaml.safe_dump(content, allow_unicode=True, sort_keys=False), mode=0o600)
