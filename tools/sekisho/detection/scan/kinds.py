"""Of what kind a record is of which `envelope` cannot tell it.

By channels and numbers, wherever they stand in its text, and by what each other kind than Windows is known by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from sekisho.detection.scan import automaton
from sekisho.detection.scan.automaton import Automaton, Expression
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.need import Channel, EventId, Leaf

_VERSION = 6  # of what is kept; another number for each change of what a need or a plan is
Seen = tuple[int | bytes, ...]
"""What was found, in its order: numbers of expressions, and the values of codes and channels, each behind a letter."""

# A text of literals alone is looked through several times faster than one with any other expression among them.
GUARDS = (
    *(rb"\u" + bytes((digit,)) for digit in b"0123456789abcdef"),
    rb"\/",
    *(letter.encode() for letter in "\u212a\u0130\u0131\u017f"),
)
"""What makes it doubtful how a record is written: it may be the text of something else. See `Look.otherwise`."""
_ESCAPE = Expression(rb"(?-i)\\[u/]")
_FOLDED = Expression(rb"\xe2\x84\xaa|\xc4[\xb0\xb1]|\xc5\xbf")  # K, İ, ı, ſ: of these case makes letters of ASCII
_NOT_TEXT = Expression(rb'"message"\s*:\s*\[')  # journald writes octets that are no text as numbers
_FIRST = (
    Expression(rb'event_?id"\s*:', everywhere=True),
    Expression(rb'channel"\s*:', everywhere=True),
    _ESCAPE,
    _FOLDED,
    _NOT_TEXT,
)
_IS_CODE, _IS_CHANNEL, _IS_ESCAPE, _IS_FOLDED, _IS_NOT_TEXT = range(5)
# As JSON has it: the quotes of a text, or the element that EVTX gives attributes.
_NUMBER = re.compile(
    rb'\s*(?:\{\s*"#attributes"\s*:\s*\{\s*"Qualifiers"\s*:\s*"?[0-9]{1,9}"?\s*\}\s*,\s*"#text"\s*:\s*)?'
    rb'"?0*([0-9]{1,9})"?\s*[,}]'
)
_OTHERWISE = frozenset((_IS_ESCAPE, _IS_FOLDED))
_NAME = re.compile(rb'\s*"([^"]{0,200})"')
_UNKNOWN = b"?"


class Kind(NamedTuple):
    """What a record is known to have: `codes` are numbers of events, None if they cannot be told.

    `flat`: it is a Windows record for sure, these are its own, and `marks` was not looked for.
    """

    channels: frozenset[bytes]
    codes: frozenset[int] | None
    marks: frozenset[Leaf]
    flat: bool

    def knows(self, leaf: Leaf) -> bool | None:
        """Whether the record has it; None if that was not looked for."""
        match leaf:
            case EventId():
                return self.codes is None or leaf.number in self.codes
            case Channel():
                return leaf.octets in self.channels
        return None


class Look:
    """Looks through records for what tells their kind.

    `aside` are octets of records that are to be read in full, `marks` what other kinds than Windows are known by.
    """

    def __init__(self, aside: Sequence[bytes], marks: Sequence[Leaf], cache: Cache | None) -> None:
        self._marks = marks
        self._aside = frozenset(range(len(_FIRST), len(_FIRST) + len(aside)))
        first = [*_FIRST, *(Expression(automaton.literal(one)) for one in aside)]
        self._first = _kept("first", first, cache)
        second = [Expression(automaton.expression(leaf)) for leaf in marks]
        self._second = _kept("second", second, cache) if second else None
        self._seen: list[int | bytes] = []

    def __call__(self, text: bytes) -> Seen:
        """What is there."""
        seen = self._seen
        seen.clear()
        self._first.scan(text, self._add, 0, text)
        return tuple(seen)

    def marks(self, text: bytes) -> Seen:
        """Which marks of other kinds are there."""
        self._seen.clear()
        if self._second:
            self._second.scan(text, self._count, 0, None)
        return tuple(self._seen)

    def in_full(self, seen: Seen) -> bool:
        """Whether such a record is to be read in full."""
        return _IS_NOT_TEXT in seen or not self._aside.isdisjoint(seen)

    def otherwise(self, seen: Seen) -> bool:
        """Whether such a record may be written in more than one way."""
        return not _OTHERWISE.isdisjoint(seen)

    def kind(self, seen: Seen, marks: Seen, known: frozenset[int]) -> Kind:
        """What is known by that; of numbers only those that are `known` count."""
        values = [one for one in seen if isinstance(one, bytes)]
        codes = [one[1:] for one in values if one[:1] == b"E"]
        return Kind(
            frozenset(one[1:].lower() for one in values if one[:1] == b"C"),
            None if _UNKNOWN in codes else known.intersection(map(int, codes)),
            frozenset(self._marks[one] for one in marks if isinstance(one, int)),
            flat=False,
        )

    def _add(self, number: int, _: int, end: int, __: int, text: bytes) -> None:
        if number == _IS_CODE:
            found = _NUMBER.match(text, end)
            self._seen.append(b"E" + (found[1] if found else _UNKNOWN))
        elif number == _IS_CHANNEL:
            found = _NAME.match(text, end)
            self._seen.append(b"C" + (found[1] if found else b""))
        else:
            self._seen.append(number)

    def _count(self, number: int, _: int, __: int, ___: int, ____: object) -> None:
        self._seen.append(number)


def named(what: str) -> str:
    """Under which name something is kept: also by what it is made with."""
    return sha256(f"{_VERSION} {automaton.version()} {what}".encode()).hexdigest()[:32]


def _kept(what: str, expressions: Sequence[Expression], cache: Cache | None) -> Automaton:
    name = named(f"{what} {expressions}")
    kept = cache.read(name) if cache else None
    made = Automaton.read(kept) if kept is not None else None
    if made is None:
        made = Automaton.of(expressions)
        if cache:
            cache.write(name, made.kept())
    return made
