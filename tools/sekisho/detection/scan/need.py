"""What the text of a record must have, for a rule to be able to match: a tree of and and or, without not.

It may ask for less than the rule does, never for more: a rule whose need is not met cannot match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """These octets, as JSON writes them, whatever the case of ASCII letters; those are in lower case."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Figure:
    """A value that begins with this number: in `12` and `"12.5"` begins 12, in `123` and `112` it does not."""

    digits: bytes


@dataclass(frozen=True, slots=True)
class EventId:
    """A field called EventID that has this number, or one whose value is no plain number."""

    number: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A field called channel, whatever the case, that is this text; as `Text` has it."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A field of this name, or one whose name ends so behind a dot, whatever the case; as `Text` has it."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    children: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these."""

    children: tuple[Need, ...]


Leaf = Text | Figure | EventId | Channel | Key
Need = Leaf | Every | Some | bool


def every(needs: Iterable[Need]) -> Need:
    """All of them."""
    found: dict[Need, None] = {}
    for one in needs:
        if one is False:
            return False
        if isinstance(one, Every):
            found |= dict.fromkeys(one.children)
        elif one is not True:
            found[one] = None
    return True if not found else next(iter(found)) if len(found) == 1 else Every(tuple(found))


def some(needs: Iterable[Need]) -> Need:
    """At least one of them."""
    found: dict[Need, None] = {}
    for one in needs:
        if one is True:
            return True
        if isinstance(one, Some):
            found |= dict.fromkeys(one.children)
        elif one is not False:
            found[one] = None
    return False if not found else next(iter(found)) if len(found) == 1 else Some(tuple(found))


def leaves(need: Need) -> Iterator[Leaf]:
    """All leaves; the same may come twice."""
    if isinstance(need, Every | Some):
        for one in need.children:
            yield from leaves(one)
    elif not isinstance(need, bool):
        yield need


def decided(need: Need, known: Callable[[Leaf], bool | None]) -> Need:
    """What remains to be found out when some of the leaves are known; None is not known."""
    match need:
        case bool():
            return need
        case Every():
            return every(decided(one, known) for one in need.children)
        case Some():
            return some(decided(one, known) for one in need.children)
    answer = known(need)
    return need if answer is None else answer
