"""What a rule sees of an event: the values of a field, and how they are written.

A value is a text, a number, true, false or null. A field that holds a list has its elements as values, and one that
holds a map the values in that, at any depth; a field that is not there, is null or holds nothing has no values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from sekisho.detection.records import shapes
from sekisho.detection.records.folding import fold
from sekisho.detection.records.shapes import Family, Origin

__all__ = ["Family", "Origin", "Record", "text_of"]

Scalar = str | int | float | bool | None
_TEXT = "#text"  # where EVTX has the value of an element that has attributes too
_DEEPEST = 50  # maps within maps of which an outline is made
_MOST = 100_000  # values of one record; none that a source wrote has so many


class Record:
    """One event's own fields. `renamed` says what some fields are called in it."""

    __slots__ = ("_folded", "_found", "_message", "_shape", "_texts", "_words", "renamed")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._shape = shapes.of(record)
        self.renamed: Mapping[str, str] = {}
        self._forget()
        self._words: tuple[list[str], list[str]] | None = None
        self._message: str | None = None

    def _forget(self) -> None:
        self._found: dict[str, tuple[Scalar, ...] | None] = {}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._folded: dict[str, tuple[str, ...]] = {}

    def called(self, aliases: tuple[tuple[str, str], ...]) -> Record:
        """The same event, seen by rules that call some of its fields otherwise."""
        if not aliases:
            return self
        other = object.__new__(Record)
        other._shape, other.renamed = self._shape, dict(aliases)
        other._forget()
        other._words, other._message = self._words, self._message
        return other

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return self._shape.origin

    @property
    def message(self) -> str:
        """Its message with letters folded; empty if it has none."""
        if self._message is None:
            self._message = fold(self._shape.message) if isinstance(self._shape.message, str) else ""
        return self._message

    def has(self, field: str) -> bool:
        """Whether the field stands in it, whatever its value."""
        return self._look(field) is not None

    def values(self, field: str) -> tuple[Scalar, ...]:
        """The field's values, null among them where a list has it; none if it is missing, null or empty."""
        return self._look(field) or ()

    def texts(self, field: str) -> tuple[str, ...]:
        """The field's values as text, without null."""
        found = self._texts.get(field)
        if found is None:
            found = self._texts[field] = tuple(text_of(one) for one in self.values(field) if one is not None)
        return found

    def folded(self, field: str) -> tuple[str, ...]:
        """The same with letters folded."""
        found = self._folded.get(field)
        if found is None:
            value = self._shape.scopes[0].get(self.renamed.get(field, field))
            # By far the most fields are so.
            found = (fold(value),) if isinstance(value, str) else tuple(map(fold, self.texts(field)))
            self._folded[field] = found
        return found

    def words(self) -> tuple[list[str], list[str]]:
        """All values of the record as text, for keywords; and the same with letters folded."""
        if self._words is None:
            texts = [text_of(one) for one in _leaves(self._shape.whole) if one is not None]
            self._words = texts, list(map(fold, texts))
        return self._words

    def outline(self) -> Hashable:
        """Which fields stand where in it, whatever their values: two events that are alike in this have the same."""
        scopes = (one for one in self._shape.scopes if one is not self._shape.whole)
        return tuple(_outline(one, 0) for one in (self._shape.whole, *scopes))

    def _look(self, field: str) -> tuple[Scalar, ...] | None:
        try:
            return self._found[field]
        except KeyError:
            found = self._find(self.renamed.get(field, field))
            values = None if found is None else _values(found[0])
            self._found[field] = values
            return values

    def _find(self, field: str) -> tuple[object] | None:
        """What stands in the field: by its name, as a path; of Windows without blanks, of others whatever the case."""
        scopes = self._shape.scopes
        for scope in scopes:
            if field in scope:
                return (scope[field],)
        if "." in field:
            for scope in (*scopes, self._shape.whole):
                if found := list(_along(scope, field)):
                    return (found[0] if len(found) == 1 else found,)
        bare = field.replace(" ", "")
        if self.origin.family is not Family.WINDOWS:
            alike, lower = _called(scopes, lambda name: name == bare), field.lower()
            return alike or _called(scopes, lambda name: name.lower() == lower)
        if field == "EventID":  # it tells the kind of a record, and has one spelling
            return None
        return _called(scopes, lambda name: name == bare or (" " in name and name.replace(" ", "") == bare))


def _called(scopes: Iterable[Mapping[str, Any]], meant: Callable[[str], bool]) -> tuple[object] | None:
    return next(((value,) for scope in scopes for name, value in scope.items() if meant(name)), None)


def text_of(value: Scalar) -> str:
    """A value as text: true and false in lower case, numbers as JSON writes them, null not at all."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a rule's number of more than 64 bits
        return str(value)


def _along(value: object, path: str) -> Iterator[object]:
    """What a path leads to; of a list, in each of its elements. A name may have dots of its own."""
    waiting = [(value, path)]
    while waiting:
        one, rest = waiting.pop()
        if isinstance(one, list):
            waiting += [(element, rest) for element in reversed(one)]
        elif isinstance(one, Mapping):
            if rest in one:
                yield one[rest]
                continue
            dots = [at for at, letter in enumerate(rest) if letter == "."]
            waiting += [(one[rest[:at]], rest[at + 1 :]) for at in reversed(dots) if rest[:at] in one]


def _values(value: object) -> tuple[Scalar, ...]:
    if value is None:
        return ()
    if isinstance(value, dict | list):
        return tuple(_leaves(value))
    return (value,)  # type: ignore[return-value]


def _leaves(value: object) -> Iterator[Scalar]:
    """The values within, in their order."""
    waiting, count = [value], 0
    while waiting and count < _MOST:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [one[_TEXT]] if _TEXT in one else reversed(one.values())
        elif isinstance(one, list):
            waiting += reversed(one)
        else:
            count += 1
            yield one  # type: ignore[misc]


def _outline(value: object, depth: int) -> Hashable:
    if depth > _DEEPEST:
        return object()  # like no other
    if isinstance(value, dict):
        return tuple(
            [(key, _outline(one, depth + 1)) if isinstance(one, dict | list) else key for key, one in value.items()]
        )
    if isinstance(value, list):
        return frozenset(_outline(one, depth + 1) for one in value)
    return None
