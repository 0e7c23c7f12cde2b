"""The store in one Elasticsearch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from elasticsearch import Elasticsearch

from sekisho.core.clock import stamp
from sekisho.core.files import alone
from sekisho.core.language import Both
from sekisho.telemetry.elastic import aside, connection, days, pieces, search, template
from sekisho.telemetry.elastic.bulk import Writer
from sekisho.telemetry.elastic.connection import Server
from sekisho.telemetry.elastic.days import Day
from sekisho.telemetry.elastic.letters import Letters
from sekisho.telemetry.elastic.pieces import ElasticPiece
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.event import Aside, Event
from sekisho.telemetry.query import Log, Search, Span
from sekisho.telemetry.store import Expired


class ElasticStore:
    """The store at one cluster; `folder` is the state folder, `tell` is told what a writer waits for."""

    def __init__(self, settings: Settings, folder: Path, tell: Callable[[Both], None]) -> None:
        self.settings = settings
        self.letters = Letters(folder)
        self._folder, self._tell = folder, tell

    def seen_by(self, user: str, password_file: Path) -> ElasticStore:
        """The same store by another account."""
        own = {"user": user, "password_file": password_file, "api_key_file": None}
        return ElasticStore(self.settings.model_copy(update=own), self._folder, self._tell)

    def client(self) -> Elasticsearch:
        """A connection of its own.

        Raises:
            Missing, BadInput: a file of the settings cannot be used.
        """
        return connection.connect(self.settings, attempts=len(self.settings.urls) + 1)

    def search(self, asked: Search, *, limit: int | None = None) -> Iterator[Event]:
        """The events that match, the latest first; those without a time come last.

        Raises:
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        with connection.telling(), self.client() as client:
            yield from search.events(client, asked, limit=limit)

    def count(self, asked: Search) -> int:
        """How many events match.

        Raises:
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        with connection.telling(), self.client() as client:
            return search.count(client, asked)

    def pieces(self, span: Span, logs: Collection[Log] | None = None) -> AbstractContextManager[Sequence[ElasticPiece]]:
        """All events of a span, as they are at one moment, for several processes to read; only of `logs`, if given.

        Raises:
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        return pieces.pieces(self.settings, span, logs)

    def set_aside(self) -> Iterator[Aside]:
        """What could not be read as an event: what was set aside last comes first, then as it stood in its file.

        Raises:
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        with connection.telling(), self.client() as client:
            yield from aside.of(client)

    def lay_out(self) -> None:
        """Put the index template.

        Raises:
            BadInput: the indices are of a newer version.
            Missing: Elasticsearch cannot be reached, or refuses it.
        """
        with connection.telling(), self.client() as client:
            template.ensure(client, self.settings.replicas)

    def server(self) -> tuple[Server, str]:
        """What the cluster is and can do, and its health: green, yellow or red.

        Raises:
            Missing: Elasticsearch cannot be reached.
        """
        with connection.telling(), self.client() as client:
            return connection.ask(client), str(client.cluster.health()["status"])

    def holds(self) -> tuple[dict[str, Day], int]:
        """What each partition holds, and how much was set aside.

        Raises:
            Missing: Elasticsearch cannot be reached, or not all of it.
        """
        with connection.telling(), self.client() as client:
            return days.of(client), days.rejected(client)

    def expire(self, kept: int, now: datetime) -> Expired:
        """Let go of partitions in which nothing has arrived for `kept` days, and of lines set aside so long ago.

        Raises:
            BadInput: another process is writing.
            Missing: Elasticsearch cannot be reached.
        """
        with self._locked(), connection.telling(), self.client() as client:
            limit = stamp(now - timedelta(days=kept))
            return Expired(days.expire(client, limit), aside.expire(client, limit))

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The one writer of this state folder.

        Raises:
            BadInput: another process is writing, or the indices are of a newer version.
            Missing: Elasticsearch cannot be reached.
        """
        with self._locked():
            client = connection.connect(self.settings, attempts=1)
            with connection.telling():
                template.ensure(client, self.settings.replicas)
                largest = connection.largest(client)
            writer = Writer(self.settings, client, largest, self._folder, self._tell)
            try:
                yield writer
            finally:
                writer.close()
                client.close()

    def _locked(self) -> AbstractContextManager[None]:
        busy = Both(
            f"{self._folder} のイベントには別の処理が書き込み中",
            f"another command is writing to the events of {self._folder}",
        )
        return alone(self._folder / "store.lock", busy)
