"""What stands behind a field's name in a rule: pySigma applies the modifiers, and what results becomes matchers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any, cast

from sigma.exceptions import SigmaError
from sigma.modifiers import SigmaAllModifier, SigmaExpandModifier
from sigma.rule.detection import SigmaDetectionItem
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from sekisho.detection.rules import regexes
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import (
    All,
    AnyOf,
    Boolean,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Item,
    Matcher,
    Node,
    Not,
    Null,
    Number,
    Part,
    Pattern,
    Regex,
    TimePart,
    Wild,
)

_WILD = {SpecialChars.WILDCARD_MULTI: Wild.MANY, SpecialChars.WILDCARD_SINGLE: Wild.ONE}
_OPERATORS = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
}
_DEEPEST = 20
_DASH, _WAYS, _MOST = re.compile(r"\B[-/]\b"), 5, 10_000  # as windash finds them; in how many ways each is written out
_PLAIN = (str, int, float, bool, type(None))


def selection(definition: object, depth: int = 0) -> Node:
    """A selection of `detection`: a map is true if all of its lines are, a list if any of its entries is.

    Raises:
        CannotUse: it is none.
    """
    if depth > _DEEPEST:
        raise CannotUse("選択の入れ子が深すぎる", "a selection is nested too deep")
    if isinstance(definition, Mapping):
        if not definition:
            raise CannotUse("空の選択がある", "a selection is empty")
        return _joined(All, [_line(str(key), value) for key, value in definition.items()])
    if isinstance(definition, _PLAIN):
        return _line("", definition)
    if isinstance(definition, list) and definition:
        if all(isinstance(one, _PLAIN) for one in definition):
            return _line("", definition)
        return _joined(AnyOf, [selection(one, depth + 1) for one in definition])
    raise CannotUse("空の選択がある", "a selection is empty")


def _line(key: str, value: object) -> Node:
    if isinstance(value, Mapping) or (isinstance(value, list) and not all(isinstance(one, _PLAIN) for one in value)):
        raise CannotUse(
            f"'{key}' の値が値でも値の並びでもない", f"the value of {key!r} is no value and no list of values"
        )
    words = value if isinstance(value, list) else [value]
    if "|windash" in key and sum(_WAYS ** len(_DASH.findall(one)) for one in words if isinstance(one, str)) > _MOST:
        raise CannotUse(f"'{key}' の値にダッシュが多すぎる", f"the values of {key!r} have too many dashes")
    try:
        item = SigmaDetectionItem.from_mapping(key, cast("Any", value))
    except (SigmaError, ValueError, TypeError, IndexError, AttributeError, re.error, OverflowError) as error:
        raise CannotUse(f"'{key}' が読めない: {error}", f"{key!r} cannot be read: {error}") from error
    if SigmaExpandModifier in item.modifiers:
        raise CannotUse(
            f"'{key}' は環境ごとに埋める値(expand)を求めている",
            f"{key!r} asks for values that each site fills in (expand)",
        )
    groups = [_matchers(one, item.field) for one in item.value] or [(Null(),)]
    if SigmaAllModifier in item.modifiers:
        found = _joined(All, [_asked(item.field, one) for one in groups])
    else:
        found = _asked(item.field, [one for group in groups for one in group])
    return Not(found) if item.negated else found


def _asked(field: str | None, matchers: Sequence[Matcher | Not]) -> Node:
    plain = tuple(one for one in matchers if not isinstance(one, Not))
    nodes: list[Node] = [Item(field, plain)] if plain else []
    return _joined(AnyOf, [*nodes, *(one for one in matchers if isinstance(one, Not))])


def _joined(kind: type[All | AnyOf], nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else kind(tuple(nodes))


def _matchers(value: SigmaType, field: str | None) -> tuple[Matcher | Not, ...]:
    if isinstance(value, SigmaExpansion):
        return tuple(one for part in value.values for one in _matchers(part, field))
    found = _matcher(value, field)
    if field is None:
        return (_keyword(found),)
    return (found,)


def _keyword(found: Matcher | Not) -> Matcher:
    """Without a field it may stand anywhere in a value."""
    if isinstance(found, Number):
        found = Pattern((str(found.number),))
    if isinstance(found, Pattern):
        parts = found.parts
        if not parts:
            raise CannotUse("空のキーワードがある", "a keyword is empty")
        before = () if parts[0] is Wild.MANY else (Wild.MANY,)
        behind = () if parts[-1] is Wild.MANY else (Wild.MANY,)
        return Pattern((*before, *parts, *behind), found.cased)
    if isinstance(found, Regex):
        return found
    raise CannotUse("フィールド名のない値に使えない修飾子", "a modifier that makes no sense without a field")


def _matcher(value: SigmaType, field: str | None) -> Matcher | Not:  # noqa: C901, PLR0911 - one line a kind
    match value:
        case SigmaString():
            return Pattern(_parts(value), isinstance(value, SigmaCasedString))
        case SigmaTimestampPart():
            return TimePart(cast("Any", value.timestamp_part.name.lower()), int(value.number))
        case SigmaNumber():
            return Number(value.number)
        case SigmaBool():
            return Boolean(value.boolean)
        case SigmaNull():
            return Null()
        case SigmaExists():
            return Exists(value.exists)
        case SigmaRegularExpression():
            return _regex(value)
        case SigmaCIDRExpression():
            return Cidr(str(ip_network(value.cidr)))
        case SigmaFieldReference():
            return FieldRef(value.field, value.starts_with, value.ends_with)
        case SigmaCompareExpression() if value.op is CompareOperators.NEQ:
            return Not(Item(field, (Number(value.number.number),)))
        case SigmaCompareExpression():
            return Compare(cast("Any", _OPERATORS[value.op]), value.number.number)
    raise CannotUse(
        f"値の種類 {type(value).__name__} を知らない", f"values of the kind {type(value).__name__} are unknown"
    )


def _parts(value: SigmaString) -> tuple[Part, ...]:
    found: list[Part] = []
    for one in value.s:
        if isinstance(one, Placeholder):
            raise CannotUse(f"埋められていない値 %{one.name}%", f"the value %{one.name}% is not filled in")
        part = one if isinstance(one, str) else _WILD[one]
        if part == "":
            continue
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif not (part is Wild.MANY and found and found[-1] is Wild.MANY):
            found.append(part)
    return tuple(found)


def _regex(value: SigmaRegularExpression) -> Regex:
    flags = value.flags
    regex = Regex(
        str(value.regexp),
        SigmaRegularExpressionFlag.IGNORECASE in flags,
        SigmaRegularExpressionFlag.MULTILINE in flags,
        SigmaRegularExpressionFlag.DOTALL in flags,
    )
    regexes.searcher(regex)
    return regex
