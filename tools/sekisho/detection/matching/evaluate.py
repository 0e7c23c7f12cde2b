"""Whether a rule matches an event, exactly and plainly: each rule becomes a function of the event's record.

Two-valued: what asks for a value of a field without values is false, and its `not` is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sekisho.detection.matching.matchers import folded_parts, patterns, value_test
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
        for item, alone in items(record):
            name = item.field or KEYWORDS
            values = record.words()[0] if item.field is None else list(record.values(item.field)) or [None]
            for value in values:
                if value not in found.setdefault(name, []) and alone(value, record):
                    found[name].append(value)
        return found

    return told


def _items(node: Node) -> Callable[[Record], Iterable[tuple[Item, _Alone]]]:
    """The function that finds the items by which a condition holds."""
    match node:
        case Item():
            test, alone = compiled(node), _alone(node)
            return lambda record: ((node, alone),) if test(record) else ()
        case Not():
            return lambda _: ()
        case All() | AnyOf():
            children = [(compiled(one), _items(one)) for one in node.children]
            return lambda record: (one for holds, items in children if holds(record) for one in items(record))


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
