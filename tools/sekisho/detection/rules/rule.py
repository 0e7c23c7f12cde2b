"""What a Sigma rule says, as the engine sees it: typed, immutable, and small enough to be sent to another process.

Modifiers are gone: `contains`, `startswith`, `endswith` are wildcards of a `Pattern`; `windash`, `base64offset`, `wide`
were written out as further patterns; `all` and lists of selections are `All` and `AnyOf`. What remains is a tree of
conditions whose leaves each ask one field for one of several values. All of it can be written as JSON, and read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from sekisho.core.language import Both

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")


class Wild(Enum):
    """Wildcards: any number of characters, none included; exactly one. A line's end is a character too."""

    MANY = 0
    ONE = 1


Part = str | Wild


class Pattern(Struct, frozen=True, array_like=True, tag=True):
    """The whole of a value's text. Letters are compared without regard to case (`folding.fold`), unless `cased`.

    Without parts it is the empty text. No part is an empty string, and no two strings stand side by side.
    """

    parts: tuple[Part, ...]
    cased: bool = False

    @property
    def literal(self) -> str | None:
        """The text, if there is no wildcard in it."""
        if not self.parts:
            return ""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], str) else None


class Regex(Struct, frozen=True, array_like=True, tag=True):
    """Somewhere in a value's text, as Python's `re` understands it; `^` and `$` say where if they are there."""

    pattern: str
    ignore_case: bool = False
    multiline: bool = False
    dot_all: bool = False


class Cidr(Struct, frozen=True, array_like=True, tag=True):
    """An address within a network, such as 10.0.0.0/8 or fe80::/10."""

    network: str


class Compare(Struct, frozen=True, array_like=True, tag=True):
    """A number, or text that is one, which is so beside `number`."""

    operator: Literal["<", "<=", ">", ">="]
    number: int | float


class Number(Struct, frozen=True, array_like=True, tag=True):
    """This number, or the text that is written so; true and false are no numbers."""

    number: int | float


class Boolean(Struct, frozen=True, array_like=True, tag=True):
    """True or false, or a text that says so."""

    value: bool


class Null(Struct, frozen=True, array_like=True, tag=True):
    """No value: the field is not there, is null, or is an empty list. An empty text is a value."""


class Exists(Struct, frozen=True, array_like=True, tag=True):
    """The field stands in the record, whatever its value, null included; or it does not."""

    value: bool


class FieldRef(Struct, frozen=True, array_like=True, tag=True):
    """The value of another field, whatever the case: the same, or at the beginning, at the end, or (both) within."""

    field: str
    starts: bool = False
    ends: bool = False


class TimePart(Struct, frozen=True, array_like=True, tag=True):
    """A part of a time: the value is a time in ISO 8601 (UTC unless it names a zone)."""

    part: Literal["minute", "hour", "day", "week", "month", "year"]
    number: int


Matcher = Pattern | Regex | Cidr | Compare | Number | Boolean | Null | Exists | FieldRef | TimePart


class Item(Struct, frozen=True, array_like=True, tag=True):
    """A field has at least one of these. Of a list any element counts. Without a field any value of the record does.

    Such keywords are `Pattern` (with wildcards at both ends already) or `Regex` only.
    """

    field: str | None
    matchers: tuple[Matcher, ...]


class All(Struct, frozen=True, array_like=True, tag=True):
    """All of these hold."""

    children: tuple[Node, ...]


class AnyOf(Struct, frozen=True, array_like=True, tag=True):
    """At least one of these holds."""

    children: tuple[Node, ...]


class Not(Struct, frozen=True, array_like=True, tag=True):
    """This does not hold: two-valued, so that an event without the field fulfils it."""

    child: Node


Node = All | AnyOf | Not | Item


class Logsource(Struct, frozen=True, array_like=True):
    """For which logs a rule is, as it says."""

    category: str | None = None
    product: str | None = None
    service: str | None = None

    def as_dict(self) -> dict[str, str]:
        """Only what is said."""
        told = {"category": self.category, "product": self.product, "service": self.service}
        return {key: value for key, value in told.items() if value is not None}


class Rule(Struct, frozen=True, array_like=True):
    """A rule about one event. `path` is its file; `name` is how correlations call it.

    Its condition is kept as it was `written`: of thousands of rules few are ever asked, and to make the trees of all of
    them takes longer than many a file of events.
    """

    id: str
    title: str
    level: Level | None
    status: str | None
    logsource: Logsource
    written: Raw
    path: str
    tags: tuple[str, ...] = ()
    name: str | None = None
    description: str | None = None
    false_positives: tuple[str, ...] = ()

    @property
    def condition(self) -> Node:
        """Its condition, made anew each time."""
        found: Node = _condition.decode(self.written)
        return found


_condition = msgspec.json.Decoder(Node)


def written(condition: Node) -> Raw:
    """A condition as JSON."""
    return Raw(msgspec.json.encode(condition))


class Correlation(Struct, frozen=True, array_like=True):
    """A rule about several events of other rules, within a time and of one group.

    `rules` are ids of rules. `aliases` says, for a field of `group_by`, what it is called in each rule. `count` is what
    the number is compared with: of events, or of different values of `field`, or, for the temporal kinds, of rules.
    `generate` says that matches of the rules are alerts themselves too.
    """

    id: str
    title: str
    level: Level | None
    status: str | None
    kind: Literal["event_count", "value_count", "temporal", "temporal_ordered"]
    rules: tuple[str, ...]
    seconds: int
    path: str
    group_by: tuple[str, ...] = ()
    aliases: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    count: tuple[tuple[Literal["<", "<=", ">", ">=", "==", "!="], int], ...] = ()
    field: str | None = None
    tags: tuple[str, ...] = ()
    name: str | None = None
    generate: bool = False


class Unusable(Struct, frozen=True, array_like=True):
    """A rule that is not evaluated, and why."""

    path: str
    id: str | None
    title: str | None
    reason: Both


class Ruleset(Struct, frozen=True, array_like=True):
    """What was loaded. Rules that only a correlation asks for are in `silent` by their ids."""

    rules: tuple[Rule, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    silent: frozenset[str] = frozenset()


def silent(correlations: Iterable[Correlation]) -> frozenset[str]:
    """The ids of rules that raise no alerts of their own: only these correlations ask for them."""
    asked: set[str] = set()
    spoken: set[str] = set()
    for one in correlations:
        (spoken if one.generate else asked).update(one.rules)
    return frozenset(asked - spoken)
