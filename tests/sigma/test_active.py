"""The rules of the policy: which are in, which are out, and why; a release has no say about ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core import folders
from sekisho.core.language import Both
from sekisho.detection import active, load
from sekisho.detection.active import AnyRule, Verdict
from sekisho.detection.rules.rule import LEVELS, Correlation, Item, Logsource, Null, Rule, Ruleset, silent, written
from sekisho.policy import detection as policy
from sekisho.policy.detection import Choice, Level, Rules, Single, Source

HERE, THERE = "/ours/rule.yml", "/release/rules/rule.yml"
RELEASE = Path("/release")


def rule(key: str, level: str = "high", status: str = "test", path: str = THERE, product: str = "windows") -> Rule:
    return Rule(key, f"title {key}", level, status, Logsource(product=product), written(Item("F", (Null(),))), path)  # type: ignore[arg-type]


def counted(key: str, *below: str, level: str = "high", path: str = THERE, generate: bool = False) -> Correlation:
    return Correlation(key, f"title {key}", level, "test", "event_count", below, 60, path, generate=generate)  # type: ignore[arg-type]


def ruleset(*some: AnyRule) -> Ruleset:
    correlations = tuple(one for one in some if isinstance(one, Correlation))
    return Ruleset(tuple(one for one in some if isinstance(one, Rule)), correlations, (), silent(correlations))


def chosen(*some: AnyRule, **rules: Any) -> dict[str, Verdict]:
    wanted = Rules(**{"ours": Choice(), "imported": Choice(), **rules})
    return {one.rule.id: one for one in active.chosen(ruleset(*some), wanted, RELEASE)}


def names(found: dict[str, Verdict], *, raises: bool = False) -> str:
    return "".join(key for key, one in found.items() if (one.raises if raises else one.active))


def test_the_levels_in_the_policy_are_those_of_rules() -> None:
    assert Level.__args__ == LEVELS  # type: ignore[attr-defined]


def test_what_is_shipped_takes_ours_and_the_proven_and_grave_of_a_release() -> None:
    some = [
        rule(f"{level}-{status}", level, status) for level in LEVELS for status in ("test", "stable", "experimental")
    ]
    some += [rule("mine", "low", "experimental", HERE)]
    found = active.chosen(ruleset(*some), policy.read().rules, RELEASE)
    assert [one.rule.id for one in found if one.active] == [
        "high-test",
        "high-stable",
        "critical-test",
        "critical-stable",
        "mine",
    ]


def test_every_key_narrows_and_what_is_not_written_does_not() -> None:
    some = [rule("a", "low"), rule("b", status="stable"), rule("c", product="linux"), rule("d", path=HERE)]
    assert names(chosen(*some)) == "abcd"
    assert names(chosen(*some, imported=Choice(levels=("low",)))) == "ad"
    assert names(chosen(*some, imported=Choice(statuses=("stable",)))) == "bd"
    assert names(chosen(*some, imported=Choice(logsources=(Source(product="linux"),)))) == "cd"
    assert names(chosen(*some, imported=Choice(levels=()))) == "d"
    assert names(chosen(*some, ours=Choice(logsources=()))) == "abc"
    narrow = (Source(product="windows", service="sysmon"), Source(category="x"))
    assert names(chosen(*some, imported=Choice(logsources=narrow))) == "d"
    out = chosen(*some, imported=Choice(levels=("low",)))["b"]
    assert out.why == Both("重大度 high は対象外", "its level, high, is not wanted")


def test_single_rules_are_in_or_out_with_their_reason() -> None:
    some = [rule("a", "low"), rule("b"), rule("c")]
    found = chosen(
        *some,
        imported=Choice(levels=("high",)),
        include=(Single(id="a", why="庁内で起きた"),),
        exclude=(Single(id="b", why="誤検知"),),
    )
    assert names(found) == "ac"
    assert found["a"].why.ja == "include: 庁内で起きた"
    assert found["b"].why.ja == "exclude: 誤検知"


def test_a_correlation_brings_its_rules_along_and_they_stay_silent() -> None:
    some = [rule("a", "low"), rule("b", "low"), counted("c", "a"), counted("d", "c", "b")]
    found = chosen(*some, imported=Choice(levels=("high",)))
    assert (names(found), names(found, raises=True)) == ("abcd", "d")
    assert "'title d'" in found["a"].why.en
    found = chosen(*some, imported=Choice(levels=("low",)))
    assert names(found) == "", "only correlations ask for them, and none is wanted"
    assert "only correlations" in found["a"].why.en
    found = chosen(*some, exclude=(Single(id="b", why="x"),))
    assert names(found) == "", "a correlation that lacks a rule would never be right"
    assert "'title b'" in found["d"].why.en


def test_a_rule_that_may_raise_alerts_itself_does_if_it_is_wanted() -> None:
    some = [rule("a", "low"), rule("b"), counted("c", "a", "b", generate=True)]
    found = chosen(*some, imported=Choice(levels=("high",)))
    assert (names(found), names(found, raises=True)) == ("abc", "bc")


def test_a_release_cannot_silence_ours() -> None:
    some = [rule("a", path=HERE), rule("b", path=HERE), counted("c", "b", path=HERE), counted("x", "a", "c")]
    assert names(chosen(*some), raises=True) == "acx"
    assert names(chosen(*some, imported=Choice(levels=())), raises=True) == "ac"


KEYS = "abcdefgh"
SOME = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(LEVELS),
        st.booleans(),
        st.lists(st.integers(0, 7), max_size=3, unique=True),
    ),
    min_size=1,
    max_size=len(KEYS),
)


@given(
    SOME,
    st.sets(st.sampled_from(LEVELS)),
    st.sets(st.sampled_from(LEVELS)),
    st.dictionaries(st.sampled_from(KEYS), st.booleans()),
)
def test_whatever_is_wanted_what_is_active_can_run(
    some: list[tuple[bool, Any, bool, list[int]]], ours: set[Level], theirs: set[Level], single: dict[str, bool]
) -> None:
    rules: list[AnyRule] = []
    for key, (own, level, generate, below) in zip(KEYS, some, strict=False):
        path, known = HERE if own else THERE, [rules[place].id for place in below if place < len(rules)]
        rules.append(
            counted(key, *known, level=level, path=path, generate=generate) if known else rule(key, level, path=path)
        )
    apart = {
        kind: tuple(Single(id=key, why="x") for key, into in single.items() if into is kind) for kind in (True, False)
    }
    found = chosen(
        *rules,
        ours=Choice(levels=tuple(ours)),
        imported=Choice(levels=tuple(theirs)),
        include=apart[True],
        exclude=apart[False],
    )
    on = {key for key, one in found.items() if one.active}
    asked = {key for one in rules if isinstance(one, Correlation) and one.id in on for key in one.rules}
    assert not on & {one.id for one in apart[False]}
    assert asked <= on, "all that a correlation rests on"
    assert all(found[key].raises or key in asked for key in on), "nothing runs for nobody"
    assert all(one.active for key, one in found.items() if one.raises)
    own = silent(one for one in rules if isinstance(one, Correlation) and one.path == HERE)
    for one in rules:
        wanted = one.level in (ours if one.path == HERE else theirs) or single.get(one.id, False)
        if one.path == HERE and isinstance(one, Rule) and one.id not in own and single.get(one.id, True):
            assert found[one.id].raises is wanted, "nothing of a release changes that"


def test_the_rules_of_a_state_folder_are_kept_and_ids_that_nobody_has_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "detection_rules" / "x").mkdir(parents=True)
    (home / "policies").mkdir()
    text = (folders.data("policies") / "detection.yml").read_text(encoding="utf-8")
    unknown = text.replace("include: []", "include: [{id: nobody, why: typo}]")
    (home / "policies" / "detection.yml").write_text(unknown, encoding="utf-8")
    one = {"title": "t", "id": "one", "level": "low", "logsource": {"product": "windows"}}
    detection = {"s": {"F": "a"}, "condition": "s"}
    (home / "detection_rules" / "x" / "rule.yml").write_text(yaml.safe_dump({**one, "detection": detection}))
    monkeypatch.setenv("SEKISHO_HOME", str(home))
    for _ in range(2):  # read, and out of what was kept
        found = active.active(tmp_path / "state", policy.read())
        assert [rule.id for rule in found.ruleset.rules] == ["one"]
        assert found.unknown == ("nobody",)
        assert found.cache is not None
    assert active.active(tmp_path / "other", policy.read(), keep=False).cache is None
    assert not (tmp_path / "other").exists()


def test_ours_are_all_active() -> None:
    ours = folders.data("detection_rules")
    everything = load.load([ours])
    found = list(active.chosen(everything, policy.read().rules, None))
    assert all(one.active and one.origin == "ours" for one in found)
    assert {one.rule.id for one in found if not one.raises} == set(everything.silent)
