"""What every event store can do: take events, each once, and find them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.query import Search


class Added(NamedTuple):
    """What became of a batch: how many events of it were new, and how much was newly set aside."""

    new: int = 0
    rejected: int = 0


class Taker(Protocol):
    """Takes events into a store."""

    def put(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Added:
        """Take a batch; when this returns, what was new of it is in the store, durably, and nothing is there twice.

        Raises:
            Missing: the store cannot be written; what of the batch is in it, is there once when it comes again.
        """


class Store(Protocol):
    """A place for events."""

    def writing(self) -> AbstractContextManager[Taker]:
        """The right to write, which one process has.

        Raises:
            BadInput: another process is writing.
            Missing: the store is not there, or cannot be written.
        """

    def search(self, asked: Search, *, limit: int | None = None) -> Iterator[Event]:
        """The events that match, the latest first; those without a time come last, equal times in order of id."""

    def count(self, asked: Search) -> int:
        """How many events match."""
