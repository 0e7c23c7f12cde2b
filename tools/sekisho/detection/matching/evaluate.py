"""Whether a rule matches an event, exactly and plainly: each rule becomes a function of the event's record.

Two-valued: what asks for a value of a field without values is false, and its `not` is true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sekisho.detection.matching.matchers import value_test
from sekisho.detection.matching.patterns import folded_parts, patterns
from sekisho.detection.records.folding import fold
from sekisho.detection.records.record import Record, Scalar, text_of
from sekisho.detection.rules import regexes
from sekisho.detection.rules.rule import All, AnyOf, Exists, FieldRef, Item, Matcher, Node, Not, Null, Pattern, Regex

Test = Callable[[Record], bool]
Telling = Callable[[Record], dict[str, list[Scalar]]]
_Alone = Callable[[Scalar, Record], bool]
KEYWORDS = "keywords"


def compiled(node: Node) -> Test:
    """The function that says whether a condition holds."""
    match node:
        case Item():
            return _item(node)
        case Not():
            child = compiled(node.child)
            return lambda record: not child(record)
        case All():
            return _all([compiled(one) for one in node.children])
        case AnyOf():
            return _any([compiled(one) for one in node.children])


def telling(node: Node) -> Telling:
    """The function that tells, by field, the values that made a condition hold; it is asked when it does.

    Of what had to be absent it tells nothing. Keywords are one field.
    """
    items = _items(node)

    def told(record: Record) -> dict[str, list[Scalar]]:
        found: dict[str, list[Scalar]] = {}
        for item, alone in items(record) or ():
            name = item.field or KEYWORDS
            values = record.words()[0] if item.field is None else list(record.values(item.field)) or [None]
            for value in values:
                if value not in found.setdefault(name, []) and alone(value, record):
                    found[name].append(value)
        return found

    return told


_Decisive = list[tuple[Item, _Alone]]


def _items(node: Node) -> Callable[[Record], _Decisive | None]:
    """The function that finds the items by which a condition holds; None if it does not."""
    match node:
        case Item():
            test, one = compiled(node), [(node, _alone(node))]
            return lambda record: one if test(record) else None
        case Not():
            child = compiled(node.child)
            return lambda record: None if child(record) else []
        case All():
            return _items_of_all([_items(one) for one in node.children])
        case AnyOf():
            return _items_of_any([_items(one) for one in node.children])


def _items_of_all(children: Sequence[Callable[[Record], _Decisive | None]]) -> Callable[[Record], _Decisive | None]:
    def decisive(record: Record) -> _Decisive | None:
        found: _Decisive = []
        for child in children:
            some = child(record)
            if some is None:
                return None
            found += some
        return found

    return decisive


def _items_of_any(children: Sequence[Callable[[Record], _Decisive | None]]) -> Callable[[Record], _Decisive | None]:
    def decisive(record: Record) -> _Decisive | None:
        some = [found for child in children if (found := child(record)) is not None]
        return [one for found in some for one in found] if some else None

    return decisive


def _alone(item: Item) -> _Alone:
    """The function that says whether a value is one of those that made an item hold."""
    folded = patterns([folded_parts(one) for one in item.matchers if isinstance(one, Pattern) and not one.cased])
    rest = [one for one in item.matchers if not isinstance(one, Pattern) or one.cased]

    def is_one(value: Scalar, record: Record) -> bool:
        if value is not None and folded(fold(text_of(value))):
            return True
        return any(value_test(one, record)(value) for one in rest)

    return is_one


def _all(tests: Sequence[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) and second(record)

    def hold(record: Record) -> bool:
        for one in tests:  # noqa: SIM110 - a generator costs more than the tests
            if not one(record):
                return False
        return True

    return hold


def _any(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def holds(record: Record) -> bool:
        for one in tests:  # noqa: SIM110 - a generator costs more than the tests
            if one(record):
                return True
        return False

    return holds


def _item(item: Item) -> Test:
    """An item as a few tests: many plain values of a field are looked up together."""
    field = item.field
    folded = [one for one in item.matchers if isinstance(one, Pattern) and not one.cased]
    exact = [one for one in item.matchers if isinstance(one, Pattern) and one.cased]
    found: list[Test] = []
    if folded:
        test = patterns([folded_parts(one) for one in folded])
        found.append(
            (lambda record: any(map(test, record.words()[1])))
            if field is None
            else (lambda record: any(map(test, record.folded(field))))
        )
    if exact:
        test_exact = patterns([one.parts for one in exact])
        found.append(
            (lambda record: any(map(test_exact, record.words()[0])))
            if field is None
            else (lambda record: any(map(test_exact, record.texts(field))))
        )
    found += [_single(field, one) for one in item.matchers if not isinstance(one, Pattern)]
    return _any(found)


def _single(field: str | None, matcher: Matcher) -> Test:
    if field is None:
        search = regexes.searcher(matcher) if isinstance(matcher, Regex) else None
        return lambda record: search is not None and any(search(text) for text in record.words()[0])
    match matcher:
        case Exists():
            return lambda record: record.has(field) is matcher.value
        case Null():
            return lambda record: not record.values(field) or None in record.values(field)
        case FieldRef():
            return lambda record: any(map(value_test(matcher, record), record.values(field)))
    test = value_test(matcher, None)
    return lambda record: any(map(test, record.values(field)))
