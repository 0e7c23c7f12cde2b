"""pySigma's detections, made and changed: what a selection consists of once a rule is parsed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sigma.conditions import ConditionAND, ConditionOR
from sigma.rule import SigmaDetection, SigmaDetectionItem
from sigma.types import SigmaExists, SigmaExpansion, SigmaNull, SigmaNumber, SigmaString, SigmaType

Part = SigmaDetectionItem | SigmaDetection


def is_one_of(field: str, values: Iterable[str | int], *, negated: bool = False) -> SigmaDetectionItem:
    """A field has one of these texts, or (`negated`) none of them."""
    return SigmaDetectionItem(field, [], [SigmaString(str(one)) for one in values], negated=negated)


def contains(field: str, texts: Iterable[str]) -> SigmaDetectionItem:
    """One of these texts stands somewhere in a field."""
    return SigmaDetectionItem(field, [], [SigmaString(f"*{one}*") for one in texts])


def is_there(field: str, *, there: bool = True) -> SigmaDetectionItem:
    """A field has a value, or has none."""
    return SigmaDetectionItem(field, [], [SigmaString("*")], negated=not there)


def every(parts: Sequence[Part]) -> Part:
    """All of these hold."""
    return parts[0] if len(parts) == 1 else SigmaDetection(list(parts), item_linking=ConditionAND)


def some(parts: Sequence[Part]) -> Part:
    """At least one of these holds."""
    return parts[0] if len(parts) == 1 else SigmaDetection(list(parts), item_linking=ConditionOR)


def asked_by(item: SigmaDetectionItem, names: Sequence[str]) -> Part:
    """The item asked of a field that has several names, of which an event has one.

    A value may stand under any of them; but it is missing only where it is missing under all.
    """
    all_of, any_of = (some, every) if item.negated else (every, some)
    if item.value_linking is ConditionAND and len(item.value) > 1:
        return all_of([asked_by(_called(item, "", [one]), names) for one in item.value])
    values = item.value or [SigmaNull()]
    present = [one for one in values if not is_absence(one)]
    ways = [all_of([_called(item, name, [one]) for name in names]) for one in values if is_absence(one)]
    if present:
        ways.append(any_of([_called(item, name, present) for name in names]))
    return any_of(ways)


def is_absence(value: SigmaType) -> bool:
    """Whether a value asks for there being none."""
    return isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value.exists)


def as_indexed(value: SigmaType) -> SigmaType:
    """A value as the index has it: text, with small letters."""
    if isinstance(value, SigmaExpansion):
        return SigmaExpansion([as_indexed(one) for one in value.values])
    if isinstance(value, SigmaNumber):
        return SigmaString(str(value.number))
    if isinstance(value, SigmaString):
        lower = SigmaString()
        lower.s = [one.lower() if isinstance(one, str) else one for one in value.s]
        return lower
    return value


def _called(item: SigmaDetectionItem, name: str, values: Sequence[SigmaType]) -> SigmaDetectionItem:
    """The modifiers were applied when the rule was parsed, and are not applied again."""
    return SigmaDetectionItem(name, [], list(values), ConditionOR, item.negated, item.source)
