"""What every event store can do: take events, each once, and find them again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeVar

from sekisho.telemetry.event import Aside, Event, Reject
from sekisho.telemetry.query import Log, Search, Span

Ready = TypeVar("Ready")
Ready_co = TypeVar("Ready_co", covariant=True)


class Added(NamedTuple):
    """What became of a batch: how many events were new, what was newly set aside, what the server would not have."""

    new: int = 0
    rejected: int = 0
    refused: int = 0


class Taker(Protocol):
    """Takes events into a store."""

    def put(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Added:
        """Take a batch; when this returns, what was new of it is in the store, durably, and nothing is there twice.

        Raises:
            Missing: the store cannot be written; what of the batch is in it, is there once when it comes again.
        """

    def begin(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Callable[[], Added]:
        """Begin to `put` a batch; what is given back, when called, waits for its end, and answers and raises as `put`.

        A store that works while we wait has the next batch already when it is done with this one.

        Raises:
            Missing: as above.
        """


class Batch(Protocol[Ready_co]):
    """Events on their way into a store: filled in any process, and handed to the one that writes."""

    def add(self, events: Sequence[Event], rejects: Sequence[Reject]) -> None:
        """Take some more: a few at once, for in a batch they may need less room."""

    def ready(self) -> Ready_co:
        """What is handed over; the batch is used up.

        Raises:
            Missing: the disk is full, or the store's folder cannot be written.
        """


class Sink(Protocol[Ready]):
    """Takes what was made of files into a store: of equal events the first counts."""

    @property
    def largest(self) -> int:
        """Octets of a file that one batch is made of, at most."""

    def short_files(self) -> dict[int, set[str]]:
        """How short files began, by that length, as it was last given to `take`: so they are known when they grow."""

    def batch(self) -> Batch[Ready]:
        """An empty one."""

    def take(self, some: Sequence[Ready], short_files: Mapping[int, Iterable[str]]) -> Added:
        """Take batches; when this returns, what was new of them is in the store, durably, and nothing is there twice.

        Raises:
            Missing: the store cannot be written; what of the batches is in it, is there once when they come again.
        """


class Expired(NamedTuple):
    """What was let go of: events, and lines that had been set aside."""

    events: int
    lines: int


class Piece(Protocol):
    """Some of a store's events as they are at one moment; another process can read them for itself."""

    @property
    def since(self) -> int | None:
        """No event of it is earlier (microseconds since 1970, UTC); None if none has a time."""

    @property
    def size(self) -> int:
        """About how many events there are."""

    def events(self) -> Iterator[list[Event]]:
        """The events, some at once, in no order; of their ECS fields only the host and the user.

        Raises:
            Missing: not all of it can be read.
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

    def pieces(self, span: Span, logs: Collection[Log] | None = None) -> AbstractContextManager[Sequence[Piece]]:
        """All events of a span, as they are at one moment, in pieces; each begins no earlier than the one before it.

        What has no time is the last, if the span has no end at all. What is of none of the `logs`, where any are given,
        may be left out.

        Raises:
            Missing: not all of it can be read.
        """

    def set_aside(self) -> Iterator[Aside]:
        """What could not be read as an event: what was set aside last comes first, then as it stood in its file."""
