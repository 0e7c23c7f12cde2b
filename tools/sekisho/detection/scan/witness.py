"""From a rule and its routes to what the text of a record must have."""

from __future__ import annotations

import orjson

from sekisho.detection.records.record import Family
from sekisho.detection.records.routing import Route
from sekisho.detection.rules.rule import All, AnyOf, Boolean, Item, Matcher, Node, Not, Number, Pattern, Regex
from sekisho.detection.scan import pieces
from sekisho.detection.scan.need import Channel, EventId, Figure, Key, Need, Text, every, some
from sekisho.telemetry.formats import journal, process, ulogd

CODE = "EventID"
_MARKS: dict[Family, tuple[str, ...]] = {
    Family.PROCESS: (f'"{process.DERIVED}"',),
    Family.PACKET: (f'"{ulogd.MARK}"',),
    Family.LOG: ('"program"', f'"{journal.MARK}"'),
    Family.AUDIT: ('"audit(',),
}


def of_route(route: Route) -> Need:
    """What a record must have for a route to take it."""
    marks = route.marks
    loose = _is_loose(route)
    return every(
        (
            _of_families(route.families),
            some(Channel(_json(name)) for name in route.channels) if route.channels else True,
            _one_of(route.providers),
            _one_of(marks.programs),
            some(map(EventId, route.event_ids)) if route.event_ids else True,
            some(pieces.text_of(_json(word.lower())) for word in marks.words) if marks.words else True,
            *(some(_of_key(name, loose) for name in names) for names in marks.fields),
            *(
                some(pieces.of_pattern((text,), whole=not loose) for text in texts) if texts else False
                for _, texts in marks.values
            ),
        )
    )


def of_condition(node: Node, *, loose: bool = False) -> Need:
    """What a record must have for a condition to hold.

    `loose`: the condition may be about fields that are read out of a message.
    """
    match node:
        case Not():
            return True  # what must be absent asks for nothing
        case All():
            return every(of_condition(one, loose=loose) for one in node.children)
        case AnyOf():
            return some(of_condition(one, loose=loose) for one in node.children)
        case Item():
            return some(_of_matcher(one, node.field, loose) for one in node.matchers)


def is_loose(routes: tuple[Route, ...]) -> bool:
    """Whether some of the events have fields that are read out of a message: what such a value is, has no quotes."""
    return any(map(_is_loose, routes))


def _is_loose(route: Route) -> bool:
    return Family.LOG in route.families


def _of_matcher(matcher: Matcher, field: str | None, loose: bool) -> Need:
    match matcher:
        case Pattern():
            found = pieces.of_pattern(matcher.parts, whole=not loose and field is not None)
        case Regex():
            return pieces.of_regex(matcher)
        case Number() if not loose:
            found = pieces.of_number(matcher.number)
        case Boolean():
            return Text(b"true" if matcher.value else b"false")
        case _:
            return True
    if field == CODE and isinstance(found, Figure):
        return EventId(int(found.digits)) if not found.digits.startswith(b"-") else True
    return found


def _of_families(families: frozenset[Family]) -> Need:
    return some(some(Text(one.lower().encode()) for one in _MARKS[of]) if of in _MARKS else True for of in families)


def _of_key(name: str, loose: bool) -> Need:
    last = _json(name.rpartition(".")[2].lower())
    return pieces.text_of(last) if loose else Key(last)


def _one_of(names: frozenset[str]) -> Need:
    return some(pieces.text_of(b'"' + _json(name.lower()) + b'"') for name in names) if names else True


def _json(text: str) -> bytes:
    return orjson.dumps(text)[1:-1]
