"""Rules that cannot match, whatever happens: their logs do not come, or lack a field that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from sekisho.core.language import Both
from sekisho.detection.active import AnyRule
from sekisho.detection.matching import correlate
from sekisho.detection.records import routing
from sekisho.detection.rules import needs
from sekisho.detection.rules.rule import Correlation, Rule, Ruleset
from sekisho.detection.sight import Seen

Kind = Literal["logsource", "fields", "rules"]
_SILENT = Both("このログが届いていない", "none of its logs came")


class Blind(NamedTuple):
    """A rule that is blind, and for want of what: of its logs, of `fields`, or of rules that a correlation rests on."""

    rule: AnyRule
    kind: Kind
    fields: tuple[str, ...]
    why: Both


def blind(ruleset: Ruleset, seen: Seen) -> Iterator[Blind]:
    """The rules that are blind, in their order; correlations come last."""
    rules = {rule.id: rule for rule in ruleset.rules}
    correlations = {one.id: one for one in ruleset.correlations}
    for rule in ruleset.rules:
        if (found := _of_rule(rule, (), seen)) is not None:
            yield found
    known: dict[str, Blind | None] = {}
    for one in ruleset.correlations:  # those that others rest on come first
        facts = correlate.facts(Ruleset(correlations=(one,)))
        below = [
            known[key] if key in correlations else _of_rule(rules[key], facts.get(key, ()), seen)
            for key in dict.fromkeys(one.rules)
        ]
        known[one.id] = found = _of_correlation(one, below)
        if found is not None:
            yield found


def _of_rule(rule: Rule, facts: Sequence[str], seen: Seen) -> Blind | None:
    """Why a rule is blind; `facts` are fields that its events need besides."""
    live = [seen.routes[route].fields for route in routing.routes(rule.logsource) if route in seen.routes]
    if not live:
        return Blind(rule, "logsource", (), _SILENT)
    lacking = [_lacking(rule, facts, fields) for fields in live]
    fewest = min(map(sorted, lacking), key=len)
    if not fewest:
        return None
    names = ", ".join(fewest)
    why = Both(f"必要な項目がどのイベントにもない: {names}", f"fields that it needs are in no event: {names}")
    return Blind(rule, "fields", tuple(fewest), why)


def _lacking(rule: Rule, facts: Sequence[str], fields: frozenset[str]) -> frozenset[str]:
    """What a rule lacks where these fields stand."""
    return needs.lacking(rule.condition, fields.__contains__) | (frozenset(facts) - fields)


def _of_correlation(one: Correlation, below: Sequence[Blind | None]) -> Blind | None:
    gone = [found for found in below if found is not None]
    if _can_hold(one, len(below) - len(gone), len(below)):
        return None
    told = [Both(f"「{found.rule.title}」{found.why.ja}", f"{found.rule.title!r}: {found.why.en}") for found in gone]
    names = dict.fromkeys(field for found in gone for field in found.fields)
    return Blind(
        one,
        "rules",
        tuple(names),
        Both(
            f"もとになるルールが見えていない: {'; '.join(each.ja for each in told)}",
            f"rules that it rests on are blind: {'; '.join(each.en for each in told)}",
        ),
    )


def _can_hold(one: Correlation, seeing: int, number: int) -> bool:
    """Whether a correlation can be fulfilled when only so many of its rules can match."""
    if one.kind == "temporal_ordered" or (one.kind == "temporal" and not one.count):
        return seeing == number
    least = (
        [count + (how == ">") for how, count in one.count if how in {">", ">=", "=="}] if one.kind == "temporal" else []
    )
    return seeing >= max([1, *least])
