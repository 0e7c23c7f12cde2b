"""Rules from outside: every one is used or named with its reason, and none makes anybody wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpora import RULES, corpora
from sekisho.detection import load
from sekisho.detection.matching.engine import Engine
from sekisho.detection.records.record import Record
from sekisho.detection.rules import kept
from sekisho.detection.rules.rule import Ruleset

Write = Callable[..., Ruleset]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(*documents: Any, raw: str | None = None) -> Ruleset:
        path = tmp_path / "rule.yml"
        path.write_text(yaml.safe_dump_all(documents) if raw is None else raw, encoding="utf-8")
        begin = time.monotonic()
        found = load.load([path])
        assert time.monotonic() - begin < 60
        return found

    return write


def rule(detection: Any, **more: Any) -> dict[str, Any]:
    return {"title": "t", "logsource": {"product": "windows"}, "detection": detection, **more}


def hits(found: Ruleset, **fields: Any) -> int:
    return len(list(Engine(found).hits(Record({"Channel": "Security", "EventID": 1, **fields}))))


@corpora
def test_all_of_sigmahq_but_two(sigmahq: Ruleset) -> None:
    assert len(sigmahq.rules) + len(sigmahq.unusable) == 3754
    assert {Path(one.path).name for one in sigmahq.unusable} == {
        "win_security_adcs_certighost_cdc_chase_request.yml",
        "win_security_adcs_certighost_cert_issued_via_chase.yml",
    }
    assert all("expand" in one.reason.en for one in sigmahq.unusable)
    assert {Path(one.path).is_relative_to(RULES) for one in sigmahq.rules} == {True}


@corpora
def test_what_is_kept_is_what_was_read(sigmahq: Ruleset) -> None:
    assert kept.read(kept.written(sigmahq)) == sigmahq


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"rules":[[1,2,3]]}', b"\xff"])
def test_what_was_not_kept_by_us_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a set of rules"):
        kept.read(data)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (rule({"s": {"F": 1}}), "no condition"),
        (rule({"s": {"F": 1}, "condition": "t"}), "'t'"),
        (rule({"s": {"F": 1}, "condition": "s and"}), "too early"),
        (rule({"s": {"F": 1}, "condition": "s | count() > 5"}), "aggregations"),
        (rule({"s": {"F": 1}, "condition": "s", "timeframe": "1m"}), "timeframe"),
        (rule({"s": {"F|nosuch": 1}, "condition": "s"}), "nosuch"),
        (rule({"s": {"F|re": "(?=a)b"}, "condition": "s"}), "regular expression"),
        (rule({"s": {"F|re": "("}, "condition": "s"}), "F|re"),
        (rule({"s": {"F|cidr": "10.0.0.0/99"}, "condition": "s"}), "F|cidr"),
        (rule({"s": {"F": {"G": 1}}, "condition": "s"}), "no value"),
        (rule({"s": {}, "condition": "s"}), "empty"),
        (rule({"s": {"F": 1}, "condition": "s"}, logsource={"product": "nobody"}), "product: nobody"),
        (rule({"s": {"F": 1}, "condition": "s"}, level="severe"), "severe"),
        (rule({"s": {"F|windash|contains": "-a -b -c -d -e /f"}, "condition": "s"}), "too many dashes"),
        (rule({"s": {"F|windash": ["-a -b -c -d -e"] * 4}, "condition": "s"}), "too many dashes"),
        ({"title": "t", "logsource": {"product": "windows"}}, "detection"),
        ({"action": "global", "title": "t"}, "action"),
        ([1, 2], "not a map"),
        ("text", "not a map"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_reason(written: Write, document: Any, reason: str) -> None:
    found = written(document)
    assert not found.rules
    assert reason in found.unusable[0].reason.en


@pytest.mark.parametrize(
    "raw",
    [
        "title: t\ntitle: t",
        "a: {b: 1, c: 2, b: 3}",
        "a: [",
        "a: b: c",
        "\tx",
        "\x00",
        "a: &a [*a, *a]",
        "!!python/object:os.system {}",
    ],
)
def test_broken_yaml_is_named(written: Write, raw: str) -> None:
    found = written(raw=raw)
    assert not found.rules
    assert found.unusable


def test_a_bomb_of_aliases_is_refused(written: Write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "too many" in written(raw="\n".join(lines)).unusable[0].reason.en


def test_brackets_ten_thousand_deep_are_refused(written: Write) -> None:
    found = written(rule({"s": {"F": 1}, "condition": "(" * 10_000 + "s" + ")" * 10_000}))
    assert "too deep" in found.unusable[0].reason.en
    for raw in ("a: " + "[" * 100_000, "- " * 100_000, "".join(" " * n + "a:\n" for n in range(3_000)), "? " * 50_000):
        assert written(raw=raw).unusable


def test_ten_thousand_conditions_are_only_many(written: Write) -> None:
    some = {f"s{n}": {f"F{n}": str(n)} for n in range(10_000)}
    found = written(
        rule({**some, "condition": "1 of s*"}, id="a"), rule({**some, "condition": " or ".join(some)}, id="b")
    )
    assert len(found.rules) == 2
    assert hits(found, F9999="9999") == 2
    assert hits(found, F9999="9998") == 0


def test_what_is_written_out_so_often_that_it_fills_the_memory_is_refused(
    written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mentioned(times: int, key: str) -> dict[str, Any]:
        condition = " or ".join(["s"] * times)
        return rule({"s": {"F": [f"{number:0100}" for number in range(1_000)]}, "condition": condition}, id=key)

    found = written(*(mentioned(times, str(times)) for times in (1, 30, 60, 900)))
    assert [one.id for one in found.rules] == ["1", "30"]
    assert {one.reason.en for one in found.unusable} == {"the condition is too large"}
    monkeypatch.setattr(load, "_ROOM", 5_000_000)
    only = {"title": "f", "logsource": {"product": "windows"}}
    added = {**only, "filter": {"rules": "any", "x": {"U": "u" * 1_000_000}, "condition": "not x"}}
    found = written(*(mentioned(30, str(number)) for number in range(3)), added, added)
    assert [one.id for one in found.rules] == ["0"]
    assert [one.reason.en for one in found.unusable] == ["all rules together are too large"] * 3


def test_of_two_rules_with_one_id_the_second_is_named(written: Write) -> None:
    found = written(*[rule({"s": {"F": 1}, "condition": "s"}, id="x")] * 2)
    assert len(found.rules) == len(found.unusable) == 1


def test_a_rule_without_an_id_is_known_by_what_it_says_whatever_its_numbers(written: Write) -> None:
    some = [rule({"s": {"F": 2**number}, "condition": "s"}) for number in (1, 63, 64, 100)]
    found = written(*some)
    assert len({one.id for one in found.rules}) == len(some)
    assert found == written(*some)


def test_a_filter_becomes_part_of_its_rules(written: Write) -> None:
    one = rule({"s": {"F": "a"}, "condition": "s"}, id="1", name="one")
    two = rule({"s": {"F": "a"}, "condition": "s"}, id="2")
    only = {
        "title": "f",
        "logsource": {"product": "windows"},
        "filter": {"rules": ["one"], "x": {"U": "ok"}, "condition": "not x"},
    }
    assert hits(written(one, two, only), F="a", U="ok") == 1
    assert hits(written(one, two, only), F="a", U="bad") == 2
    every = {**only, "filter": {**only["filter"], "rules": "any"}}
    assert hits(written(one, two, every), F="a", U="ok") == 0
    nobody = {**only, "filter": {**only["filter"], "rules": ["gone"]}}
    assert written(one, two, nobody).unusable
    many = [{**only, "filter": {"rules": "any", "x": {"U": f"ok{n}"}, "condition": "not x"}} for n in range(2_000)]
    assert hits(written(one, two, *many), F="a", U="ok1999") == 0
    assert hits(written(one, two, *many), F="a", U="ok2000") == 2


def test_several_conditions_of_a_rule_are_one_match(written: Write) -> None:
    found = written(rule({"a": {"F": "x"}, "b": {"G": "y"}, "condition": ["a", "b"]}))
    assert hits(found, F="x", G="y") == 1
    assert hits(found, G="y") == 1
