"""Whether a value is what a matcher of a rule asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

from sekisho.detection.matching.patterns import folded_parts, patterns
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
    Pattern,
    Regex,
    TimePart,
)


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
