"""A set of rules as JSON, so that it can be kept: to read it again takes a tenth of what pySigma takes.

It is read as data and nothing else; what does not fit is refused.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import orjson

from sekisho.core.language import Both
from sekisho.detection.rules.rule import (
    All,
    AnyOf,
    Boolean,
    Cidr,
    Compare,
    Correlation,
    Exists,
    FieldRef,
    Item,
    Logsource,
    Node,
    Not,
    Null,
    Number,
    Part,
    Pattern,
    Regex,
    Rule,
    Ruleset,
    TimePart,
    Unusable,
    Wild,
)

VERSION: Final = 1  # of what is written here
_MATCHERS: dict[str, Any] = {
    kind.__name__: kind for kind in (Regex, Cidr, Compare, Number, Boolean, Null, Exists, FieldRef, TimePart)
}
_WILD: tuple[Wild, Wild] = (Wild.MANY, Wild.ONE)
_RULE = [one.name for one in fields(Rule) if one.name not in {"condition", "logsource"}]
_CORRELATION = [one.name for one in fields(Correlation)]


def written(ruleset: Ruleset) -> bytes:
    """The set as JSON."""
    return orjson.dumps(
        {
            "rules": [
                [
                    [getattr(rule, name) for name in _RULE],
                    [rule.logsource.category, rule.logsource.product, rule.logsource.service],
                    _plain(rule.condition),
                ]
                for rule in ruleset.rules
            ],
            "correlations": [[getattr(one, name) for name in _CORRELATION] for one in ruleset.correlations],
            "unusable": [[one.path, one.id, one.title, one.reason.ja, one.reason.en] for one in ruleset.unusable],
            "silent": sorted(ruleset.silent),
        }
    )


def read(data: bytes) -> Ruleset:
    """The set that was written.

    Raises:
        ValueError: it is none.
    """
    try:
        found = orjson.loads(data)
        sources: dict[tuple[str | None, ...], Logsource] = {}
        rules = []
        for own, source, condition in found["rules"]:
            logsource = sources.setdefault(tuple(source), Logsource(*source))
            told = {name: _frozen(value) for name, value in zip(_RULE, own, strict=True)}
            rules.append(Rule(logsource=logsource, condition=_node(condition), **told))
        return Ruleset(
            tuple(rules),
            tuple(Correlation(*map(_frozen, one)) for one in found["correlations"]),
            tuple(Unusable(path, key, title, Both(ja, en)) for path, key, title, ja, en in found["unusable"]),
            frozenset(found["silent"]),
        )
    except (KeyError, TypeError, IndexError, ValueError, RecursionError) as error:
        raise ValueError("not a set of rules that was kept") from error


def _plain(node: Node) -> list[Any]:
    match node:
        case Item():
            return [node.field, *(_matcher(one) for one in node.matchers)]
        case Not():
            return [0, _plain(node.child)]
        case All():
            return [1, *map(_plain, node.children)]
        case AnyOf():
            return [2, *map(_plain, node.children)]


def _matcher(matcher: Any) -> list[Any]:  # noqa: ANN401 - any of them
    if isinstance(matcher, Pattern):
        return [matcher.cased, *(one if isinstance(one, str) else _WILD.index(one) for one in matcher.parts)]
    return [type(matcher).__name__, *(getattr(matcher, one.name) for one in fields(matcher))]


def _node(data: list[Any]) -> Node:
    kind, rest = data[0], data[1:]
    if kind is None or kind.__class__ is str:
        return Item(kind, tuple([_matched(one) for one in rest]))
    if kind == 0:
        return Not(_node(rest[0]))
    return (All, AnyOf)[kind - 1](tuple([_node(one) for one in rest]))


def _matched(data: list[Any]) -> Any:  # noqa: ANN401 - any of them
    kind = data[0]
    if kind.__class__ is bool:
        parts: list[Part] = [one if one.__class__ is str else _WILD[one] for one in data[1:]]
        return Pattern(tuple(parts), kind)
    return _MATCHERS[kind](*data[1:])


def _frozen(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
