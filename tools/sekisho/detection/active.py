"""The rules of the policy: of all that are there, those that `policies/detection.yml` wants, and why each is in or out.

A correlation brings along the rules that it asks for, whatever their level. Rules that only correlations ask for raise
no alerts themselves, and are out without such a correlation. A correlation of a release has no say in that about ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sekisho.core import folders
from sekisho.core.language import Both
from sekisho.detection import rulesets
from sekisho.detection.release import held
from sekisho.detection.rules.rule import Correlation, Rule, Ruleset, silent
from sekisho.detection.scan.cache import Cache
from sekisho.policy.detection import Choice, Detection, Rules, Source

Origin = Literal["ours", "imported"]
AnyRule = Rule | Correlation
_FITS = Both("方針の条件に合う", "it fits the policy")
_ALONE = Both("相関ルールだけが使い、それが使われていない", "only correlations ask for it, and none is active")


class Verdict(NamedTuple):
    """Whether a rule is one of the active, and why. `origin` says whose it is; `raises`, whether it raises alerts."""

    rule: AnyRule
    origin: Origin
    active: bool
    raises: bool
    why: Both


class Active(NamedTuple):
    """The rules to run, where what is made of them is kept (or None), and how it came to that.

    `verdicts` has every rule that can be used; `unknown` the ids that the policy names and no rule has.
    """

    ruleset: Ruleset
    cache: Cache | None
    verdicts: tuple[Verdict, ...]
    unknown: tuple[str, ...]


def active(state: Path, policy: Detection, *, keep: bool = True) -> Active:
    """The rules that a policy wants, of ours and of the release that `state` has.

    What is made of them is kept below `state`, unless `keep` is false.

    Raises:
        BadInput: what says which release there is, is damaged.
        Missing: the folder of ours, or the release's, is gone.
    """
    imported = held.rules(state)
    paths = [folders.data("detection_rules"), *([imported] if imported else [])]
    everything, cache = rulesets.read(paths, state if keep else None)
    verdicts = tuple(chosen(everything, policy.rules, imported))
    own = {one.rule.id: one for one in verdicts if one.active}
    ruleset = Ruleset(
        tuple(rule for rule in everything.rules if rule.id in own),
        tuple(one for one in everything.correlations if one.id in own),
        everything.unusable,
        frozenset(key for key, one in own.items() if not one.raises),
    )
    known = {one.rule.id for one in verdicts} | {one.id for one in everything.unusable}
    named = (*policy.rules.include, *policy.rules.exclude)
    unknown = tuple(one.id for one in named if one.id not in known)
    return Active(ruleset, cache.part(rule.id for rule in ruleset.rules) if cache else None, verdicts, unknown)


def chosen(everything: Ruleset, policy: Rules, imported: Path | None) -> Iterator[Verdict]:
    """The verdict about each rule; those in the folder `imported` are the release's."""
    every: tuple[AnyRule, ...] = (*everything.rules, *everything.correlations)
    rules = {one.id: one for one in every}
    theirs = frozenset(one.id for one in every if imported and one.path.startswith(f"{imported}/"))
    quiet = silent(one for one in everything.correlations if one.id not in theirs) | (everything.silent & theirs)
    below = {one.id: _below(one, rules) for one in every}
    against = {
        one.id: _against(one, below[one.id], policy.imported if one.id in theirs else policy.ours, policy)
        for one in every
    }
    roots = [key for key, reason in against.items() if reason is None and key not in quiet]
    asked = {one.id: rules[key].title for key in reversed(roots) for one in below[key]}
    own = {single.id: single.why for single in policy.include}
    for key, rule in rules.items():
        raises = against[key] is None and key not in quiet
        if raises:
            why = Both(f"include: {own[key]}", f"include: {own[key]}") if key in own else _FITS
        elif key in asked:
            why = Both(f"相関ルール「{asked[key]}」が使う", f"the correlation {asked[key]!r} asks for it")
        else:
            why = against[key] or _ALONE
        yield Verdict(rule, "imported" if key in theirs else "ours", raises or key in asked, raises, why)


def _below(rule: AnyRule, rules: Mapping[str, AnyRule]) -> list[AnyRule]:
    """All rules that a correlation rests on, however far below; of a rule, none."""
    found: dict[str, AnyRule] = {}
    waiting = [rule]
    while waiting:
        one = waiting.pop()
        some = {key: rules[key] for key in one.rules if key not in found} if isinstance(one, Correlation) else {}
        waiting += some.values()
        found |= some
    return list(found.values())


def _against(rule: AnyRule, below: Sequence[AnyRule], choice: Choice, policy: Rules) -> Both | None:  # noqa: PLR0911 - a line each
    """Why the policy does not want a rule for its own sake, if it does not."""
    out = {single.id: single.why for single in policy.exclude}
    if rule.id in out:
        return Both(f"exclude: {out[rule.id]}", f"exclude: {out[rule.id]}")
    if gone := next((one.title for one in below if one.id in out), None):
        return Both(f"必要なルール「{gone}」が除かれている", f"the rule {gone!r} that it needs is excluded")
    if any(single.id == rule.id for single in policy.include):
        return None
    if choice.levels is not None and rule.level not in choice.levels:
        return Both(f"重大度 {rule.level or 'なし'} は対象外", f"its level, {rule.level}, is not wanted")
    if choice.statuses is not None and rule.status not in choice.statuses:
        return Both(f"成熟度 {rule.status or 'なし'} は対象外", f"its status, {rule.status}, is not wanted")
    if choice.logsources is not None and not all(_of(one, choice.logsources) for one in (rule, *below)):
        return Both("ログの種類が対象外", "its logsource is not wanted")
    return None


def _of(rule: AnyRule, sources: Sequence[Source]) -> bool:
    """Whether a rule is for one of these logs; a correlation is for those of its rules."""
    if isinstance(rule, Correlation):
        return True
    has = rule.logsource.as_dict().items()
    return any(one.model_dump(exclude_none=True).items() <= has for one in sources)
