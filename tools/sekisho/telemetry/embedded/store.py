"""The embedded store: Parquet files under the state folder, a part for each batch and day, read by DuckDB."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa

from sekisho.core.files import alone, unwritten
from sekisho.core.language import Both
from sekisho.telemetry.embedded import aside, pieces, whole
from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded.manifest import Manifest
from sekisho.telemetry.embedded.pieces import EmbeddedPiece
from sekisho.telemetry.embedded.writer import Writer
from sekisho.telemetry.event import Aside, Event
from sekisho.telemetry.query import Log, Search, Span


class EmbeddedStore:
    """The store in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self) -> Manifest:
        """What belongs to the store at this moment."""
        return manifests.read(self.folder)

    def search(self, asked: Search, *, limit: int | None = None) -> Iterator[Event]:
        """The events that match, the latest first; those without a time come last."""
        from sekisho.telemetry.embedded import search  # noqa: PLC0415 - DuckDB is slow to load

        return search.events(self.folder, asked, limit=limit)

    def count(self, asked: Search) -> int:
        """How many events match."""
        from sekisho.telemetry.embedded import search  # noqa: PLC0415 - DuckDB is slow to load

        return search.count(self.folder, asked)

    def pieces(
        self,
        span: Span,
        logs: Collection[Log] | None = None,  # noqa: ARG002 - Parquet has them no sooner than all
    ) -> AbstractContextManager[Sequence[EmbeddedPiece]]:
        """All events of a span, as they are at one moment, for several processes to read."""
        return pieces.pieces(self.folder, span)

    def set_aside(self) -> Iterator[Aside]:
        """What could not be read as an event: what was set aside last comes first, then as it stood in its file."""
        return aside.of(self.folder)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The one writer.

        Raises:
            BadInput: another process is writing, or a part of the store is damaged.
            Missing: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unwritten(self.folder, error) from error
        busy = Both(f"{self.folder} には別の処理が書き込み中", f"another command is writing to {self.folder}")
        with alone(self.folder / "lock", busy):
            writer = Writer(self.folder)
            try:
                yield writer
            except (OSError, pa.ArrowException) as error:
                whole.see(self.folder, (*writer.manifest.parts, *writer.manifest.rejects), error)
                raise
