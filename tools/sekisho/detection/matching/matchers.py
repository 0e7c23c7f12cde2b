"""Whether a value is what a matcher of a rule asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

from sekisho.detection.records.folding import fold
from sekisho.detection.records.record import Record, Scalar, text_of
from sekisho.detection.rules import regexes
from sekisho.detection.rules.rule import (
    Boolean,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Matcher,
    Null,
    Number,
    Part,
    Pattern,
    Regex,
    TimePart,
    Wild,
)

TextTest = Callable[[str], bool]


def value_test(matcher: Matcher, record: Record | None) -> Callable[[Scalar], bool]:  # noqa: C901, PLR0911 - a line a kind
    """Whether one value is what a matcher asks for."""
    match matcher:
        case Pattern():
            test = patterns([matcher.parts if matcher.cased else folded_parts(matcher)])
            if matcher.cased:
                return lambda value: value is not None and test(text_of(value))
            return lambda value: value is not None and test(fold(text_of(value)))
        case Regex():
            search = regexes.searcher(matcher)
            return lambda value: value is not None and bool(search(text_of(value)))
        case Number():
            return lambda value: _is_number(value, matcher.number)
        case Boolean():
            wanted = "true" if matcher.value else "false"
            return lambda value: value is matcher.value or (isinstance(value, str) and fold(value) == wanted)
        case Null():
            return lambda value: value is None
        case Exists():
            return lambda _: matcher.value
        case Compare():
            return lambda value: _is_beside(value, matcher)
        case Cidr():
            return _within(matcher.network)
        case FieldRef():
            others = record.folded(matcher.field) if record else ()
            return lambda value: (
                value is not None and any(_refers(fold(text_of(value)), one, matcher) for one in others)
            )
        case TimePart():
            return lambda value: _time_part(value, matcher.part) == matcher.number


def folded_parts(pattern: Pattern) -> tuple[Part, ...]:
    """The parts of a pattern with letters folded."""
    return tuple(fold(one) if isinstance(one, str) else one for one in pattern.parts)


def patterns(some: Iterable[tuple[Part, ...]]) -> TextTest:  # noqa: C901, PLR0912 - a line a kind
    """Whether a text is one of these, each told by the cheapest way."""
    whole: set[str] = set()
    begins: list[str] = []
    ends: list[str] = []
    within: list[str] = []
    rest: list[TextTest] = []
    for parts in some:
        match parts:
            case ():
                whole.add("")
            case (str() as text,):
                whole.add(text)
            case (str() as text, Wild.MANY):
                begins.append(text)
            case (Wild.MANY, str() as text):
                ends.append(text)
            case (Wild.MANY, str() as text, Wild.MANY):
                within.append(text)
            case (Wild.MANY,):
                return lambda _: True
            case _:
                rest.append(_wildcards(parts))
    tests: list[TextTest] = []
    if whole:
        tests.append(whole.__contains__)
    if begins:
        beginnings = tuple(begins)
        tests.append(lambda text: text.startswith(beginnings))
    if ends:
        endings = tuple(ends)
        tests.append(lambda text: text.endswith(endings))
    if len(within) == 1:
        only = within[0]
        tests.append(lambda text: only in text)
    elif within:
        tests.append(_within_any(within))
    tests += rest
    if len(tests) == 1:
        return tests[0]
    return lambda text: any(test(text) for test in tests)


def _within_any(pieces: Sequence[str]) -> TextTest:
    def test(text: str) -> bool:
        for one in pieces:  # noqa: SIM110 - a generator costs more than the tests
            if one in text:
                return True
        return False

    return test


def _wildcards(parts: Sequence[Part]) -> TextTest:
    """Any pattern: its pieces between the `*` are found one behind the other, each as early as it can be.

    That needs no backtracking: the text is passed once a piece, however many `*` there are.
    """
    pieces: list[list[Part]] = [[]]
    for part in parts:
        if part is Wild.MANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    found = [
        re.compile("".join("." if one is Wild.ONE else re.escape(str(one)) for one in some), re.DOTALL)
        for some in pieces
    ]
    sizes = [sum(1 if one is Wild.ONE else len(str(one)) for one in some) for some in pieces]
    if len(pieces) == 1:
        return lambda text: found[0].fullmatch(text) is not None

    def test(text: str) -> bool:
        end = len(text) - sizes[-1]
        if end < sizes[0] or not found[0].match(text) or not found[-1].match(text, end):
            return False
        at = sizes[0]
        for piece in found[1:-1]:
            hit = piece.search(text, at, end)
            if hit is None:
                return False
            at = hit.end()
        return True

    return test


def _is_number(value: Scalar, number: float) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    return value == text_of(number) if isinstance(value, str) else value == number


def _is_beside(value: Scalar, asked: Compare) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, str):
        number = _numeral(value)
        if number is None:
            return False
        value = number
    match asked.operator:
        case "<":
            return value < asked.number
        case "<=":
            return value <= asked.number
        case ">":
            return value > asked.number
        case ">=":
            return value >= asked.number


_NUMERAL = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{1,300})?")


def _numeral(text: str) -> int | float | None:
    if not _NUMERAL.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def _within(network: str) -> Callable[[Scalar], bool]:
    known: Any = ip_network(network)

    def test(value: Scalar) -> bool:
        if not isinstance(value, str):
            return False
        try:
            address: Any = ip_address(value.partition("%")[0])
        except ValueError:
            return False
        if address.version == 6 and known.version == 4 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address.version == known.version and address in known

    return test


def _refers(value: str, other: str, asked: FieldRef) -> bool:
    if asked.starts and asked.ends:
        return other in value
    if asked.starts:
        return value.startswith(other)
    return value.endswith(other) if asked.ends else value == other


def _time_part(value: Scalar, part: str) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.isocalendar().week if part == "week" else int(getattr(time, part))
