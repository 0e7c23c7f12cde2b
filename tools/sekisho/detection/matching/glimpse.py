"""A first answer by a few fields of a record: whether none of the rules that could match it does.

Most records that are suspected match nothing, and to load one whole takes longer than to judge it. So only the fields
that its suspects ask for are decoded, and the same engine is asked about these alone. Where that does not suffice, for
what reason ever, nothing is answered, and the record is read in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Never, TypedDict

import msgspec

from sekisho.detection.matching.engine import Engine
from sekisho.detection.records import routing, shapes
from sekisho.detection.records.record import Family, Record
from sekisho.detection.rules import needs
from sekisho.detection.rules.rule import Rule

_OFTEN = 64  # times that the same rules are suspected before it is worth to make a decoder, which takes a millisecond
_IN_VAIN = 16  # times that it does not help, one behind the other, before it is given up
_PAUSE = 10_000  # times after which one that was given up is made again
_MOST, _DECODERS = 10_000, 1_000  # sets of rules that are remembered, and decoders, which take some 20 kB each
# As orjson reads them too. What it would read otherwise, other numbers and whatever is nested, is refused.
_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Value = _Whole | str | bool | None
_Code = _Whole | str


class _Untold(Exception):  # noqa: N818 - it is no error
    """What was decoded does not tell."""


class _Part(Record):
    """A record of which only some fields were decoded.

    What a scope of it has by a name is what that scope of the whole has: each field that is asked for was decoded in
    every scope that is looked in before, and what was decoded in part, such as `event_data`, is never asked for.
    """

    __slots__ = ()

    def _find_otherwise(self, field: str) -> Never:
        raise _Untold(field)

    def words(self) -> Never:
        """Of a part there are not all."""
        raise _Untold


class _Chance:
    """What decodes the fields that the same rules ask for, and how often they were suspected, and of late in vain."""

    __slots__ = ("decoder", "in_vain", "seen")

    def __init__(self) -> None:
        self.seen = self.in_vain = 0  # `seen` is below 0 while it is given up
        self.decoder: msgspec.json.Decoder[Any] | None = None


class Glimpse:
    """Looks at records with the rules of an engine. They are JSON objects, as the scanner tells them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chances: dict[tuple[int, ...], _Chance] = {}
        self._decoders = 0

    def nothing(self, text: bytes | memoryview, among: tuple[int, ...]) -> bool:
        """True: none of these rules matches. False: that is not known, and the record has to be read in full."""
        chance = self._chances.get(among)
        if chance is None or chance.decoder is None:
            return self._not_yet(among)
        try:
            part = chance.decoder.decode(text)
            of_windows = "winlog" in part or ("EventID" in part and "Channel" in part)
            if of_windows and not self._engine.any_hit(_Part(part), among):
                chance.in_vain = 0
                return True
        except (ValueError, RecursionError, _Untold):
            pass
        chance.in_vain += 1
        if chance.in_vain > _IN_VAIN:
            chance.decoder, chance.seen = None, -_PAUSE
            self._decoders -= 1
        return False

    def _not_yet(self, among: tuple[int, ...]) -> bool:
        """It is not worth it before a few of them were seen; what is rare is forgotten."""
        if len(self._chances) > _MOST:
            self._chances = {key: one for key, one in self._chances.items() if one.decoder is not None}
        chance = self._chances.setdefault(among, _Chance())
        chance.seen += 1
        if chance.seen > _OFTEN and self._decoders < _DECODERS:
            self._decoders += 1
            rules = [self._engine.ruleset.rules[place] for place in among]
            chance.decoder = msgspec.json.Decoder(_type({field for rule in rules for field in _fields(rule)}))
            chance.in_vain = 0
        return False


def _fields(rule: Rule) -> Iterator[str]:
    """What the fields that a rule asks for may be called in records of Windows."""
    asked = set(needs.fields(rule.condition))
    yield from asked
    for route in routing.routes(rule.logsource):
        if Family.WINDOWS in route.families:
            names = dict(route.aliases)
            yield from (names[one] for one in asked if one in names)


def _type(fields: set[str]) -> Any:  # noqa: ANN401 - a type that is made here
    """The type of a record of which these fields are decoded, and what tells its kind."""

    def asked(names: Mapping[str, str]) -> dict[str, object]:
        return {key: _Value for name, key in names.items() if name in fields}

    values = dict.fromkeys(sorted(fields), _Value)
    # Of unnamed values that stand for one field together, some would be mistaken for all.
    named = {name: one for name, one in values.items() if not shapes.PARAMETER.fullmatch(name)}
    data = None if "event_data" in fields else _object("event_data", named)
    kind = {"channel": str, "provider_name": str, "event_id": _Code, "user_data": None, "event_data": data}
    flat = {"EventID": _Code, "Channel": str, "SourceName": str, "Provider_Name": str, "Event": None}
    winlog = _object("winlog", asked(shapes.WINLOGBEAT) | kind)
    return _object("record", asked(shapes.FLAT) | values | flat | {"winlog": winlog})


def _object(name: str, types: Mapping[str, object]) -> object:
    """The type of an object that may have these fields; others are passed over."""
    of_fields: Any = TypedDict  # that types are made of types that are made here, no checker can follow
    return of_fields(name, types, total=False)
