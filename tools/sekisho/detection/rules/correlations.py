"""Correlations as they are written: pySigma reads them, and names become the ids of the rules that are meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaError

from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Correlation, Level, Rule

_KINDS = {"event_count", "value_count", "temporal", "temporal_ordered"}
_OPERATORS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "eq": "==", "neq": "!="}


def in_order(pending: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Correlations, those behind that refer to others; what refers to itself comes as it stands."""
    waiting = list(pending)
    while waiting:
        names = {name for _, document in waiting for name in _names(document)}
        ready = [one for one in waiting if not names & set(_asked(one[1]))] or waiting
        yield from ready
        waiting = [one for one in waiting if one not in ready]


def read(
    path: str,
    document: dict[str, Any],
    rules: Sequence[Rule],
    others: Sequence[Correlation],
    identity: str,
    level: Level | None,
) -> Correlation:
    """The correlation that a document says.

    Raises:
        CannotUse: it is none, of a kind that is not evaluated, or refers to a rule that is not there.
    """
    try:
        parsed = SigmaCorrelationRule.from_dict({"title": identity, **document})
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise CannotUse(f"correlationが読めない: {error}", f"the correlation cannot be read: {error}") from error
    kind = parsed.type.name.lower()
    if kind not in _KINDS:
        raise CannotUse(
            f"correlationの種類 {kind} は評価できない", f"correlations of the kind {kind} are not evaluated"
        )
    known_rules: list[Rule | Correlation] = [*rules, *others]
    ids = {one.id: one.id for one in known_rules} | {one.name: one.id for one in known_rules if one.name}

    def known(name: str) -> str:
        if name not in ids:
            raise CannotUse(
                f"ルール '{name}' がない、または使えない", f"the rule {name!r} is not there, or cannot be used"
            )
        return ids[name]

    wanted = parsed.condition
    if not isinstance(wanted, SigmaCorrelationCondition):
        raise CannotUse("式で書いたconditionは評価できない", "a condition that is an expression is not evaluated")
    if isinstance(wanted.fieldref, list):
        raise CannotUse("複数のフィールドの値は数えられない", "values of several fields are not counted")
    used = tuple(known(one.reference) for one in parsed.rules or ())
    if not used:
        raise CannotUse("対象のルールがない", "it names no rules")
    count = ((cast("Any", _OPERATORS[wanted.op.name.lower()]), wanted.count),) if "condition" in _body(document) else ()
    return Correlation(
        id=identity,
        title=str(document.get("title") or identity),
        level=level,
        status=None if document.get("status") is None else str(document["status"]),
        kind=cast("Any", kind),
        rules=used,
        seconds=parsed.timespan.seconds,
        path=path,
        group_by=tuple(parsed.group_by or ()),
        aliases=tuple(
            (one.alias, tuple((known(rule.reference), field) for rule, field in one.mapping.items()))
            for one in parsed.aliases
        ),
        count=count,
        field=wanted.fieldref,
        tags=tuple(map(str, document.get("tags") or ())),
        name=None if document.get("name") is None else str(document["name"]),
        generate=parsed.generate,
    )


def _body(document: dict[str, Any]) -> dict[str, Any]:
    body = document.get("correlation")
    return body if isinstance(body, dict) else {}


def _names(document: dict[str, Any]) -> list[str]:
    return [str(document[key]) for key in ("id", "name") if document.get(key)]


def _asked(document: dict[str, Any]) -> list[str]:
    rules = _body(document).get("rules")
    return [str(one) for one in (rules if isinstance(rules, list) else [rules])]
