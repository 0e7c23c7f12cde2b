"""Events in the order in which a store took them, and how far somebody has read: a position, which is never a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from sekisho.telemetry.event import Event

Position: TypeAlias = Mapping[str, int]
"""How far each of a store's places was read: of the embedded store its batches, of Elasticsearch each shard."""


class Gone(Exception):  # noqa: N818 - says what happened to it
    """What was to be read was merged or let go meanwhile: the store is to be asked again."""


class News(Protocol):
    """Some events that are new. It can be sent to another process."""

    @property
    def done(self) -> Position:
        """What a position has besides, when these events need not be read again."""

    def events(self) -> Iterator[Sequence[Event]]:
        """The events, some at once; of their ECS fields at least the host and the user.

        Raises:
            Gone: they are to be asked for anew.
        """


class Arrivals(NamedTuple):
    """What a store has beyond a position, and the position of who has read all of it.

    To go through the pieces may raise `Gone` too.
    """

    pieces: Iterable[News]
    after: Position


class Source(Protocol):
    """A store, as one reads it that waits for what comes."""

    def beyond(self, position: Position) -> Arrivals:
        """What is there now beyond a position; an empty position is before everything.

        Raises:
            SekishoError: the store cannot be read.
        """
