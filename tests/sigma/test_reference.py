"""The engine says what the reference says: of generated rules and events, and of all rules on what was recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reference
from corpora import checked, corpora, recorded
from sekisho.detection import load
from sekisho.detection.matching import evaluate
from sekisho.detection.matching.engine import Engine
from sekisho.detection.records.record import Record
from sekisho.detection.rules.rule import Ruleset
from sekisho.detection.rules.values import selection

FIELDS = ["Image", "ThreatName", "Data", "EventID", "Provider_Name"]
# Few letters, so that things meet; some whose case is odd; what JSON and Sigma escape.
LETTERS = st.sampled_from([*'aA bB-/\\"*?.1', "İ", "K", "k", "ß", "ı", "ſ", "ς", "Σ", "σ", "é", "\n", "関"])
TEXTS = st.text(LETTERS, max_size=6)
SCALARS = st.one_of(
    TEXTS,
    st.booleans(),
    st.none(),
    st.integers(-2, 30),
    st.sampled_from([1.0, 0.5, 1e16, "10.1.2.3", "true", "1", "-a"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "#text"]), inner, max_size=2)
    ),
    max_leaves=4,
)
FLAT = st.dictionaries(st.sampled_from([*FIELDS, "Threat Name"]), VALUES, max_size=6).map(
    lambda some: {"Channel": "Security", "SourceName": "aB", "EventID": 1, **some}
)
EVTX = st.dictionaries(st.sampled_from([*FIELDS, "Threat Name"]), VALUES, max_size=6).map(
    lambda some: {
        "Event": {
            "System": {"Channel": "Security", "EventID": 1, "Provider": {"#attributes": {"Name": "a-"}}},
            "EventData": some,
        }
    }
)
WINLOG = st.dictionaries(st.sampled_from([*FIELDS, "Threat Name"]), VALUES, max_size=6).map(
    lambda some: {
        "agent": {"name": "aaaa"},
        "winlog": {"channel": "Security", "event_id": 1, "provider_name": "b/", "event_data": some},
    }
)
EVENTS = st.one_of(FLAT, EVTX, WINLOG)
PATTERNS = st.text(st.sampled_from([*'aAbB-/\\"**?.1 ', "İ", "ı", "ſ", "k", "σ", "é"]), max_size=5)
ANY = st.one_of(PATTERNS, st.integers(-2, 30), st.booleans(), st.none(), st.just(0.5))


def line(field: str, how: str, values: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    key = field + how
    return st.one_of(values, st.lists(values, min_size=least, max_size=3)).map(lambda value: {key: value})


def lines(field: str) -> st.SearchStrategy[dict[str, Any]]:
    solid = st.text(st.sampled_from(["a", "A", "b", "1", "-", "/"]), min_size=1, max_size=4)
    return st.one_of(
        line(field, "", ANY, 0),
        *[
            line(field, how, PATTERNS)
            for how in (
                "|contains",
                "|startswith",
                "|endswith",
                "|cased",
                "|contains|cased",
                "|contains|all",
                "|all",
                "|windash",
                "|contains|windash",
                "|contains|all|windash",
                "|neq",
                "|contains|neq",
            )
        ],
        *[
            line(field, how, solid)
            for how in ("|base64", "|base64|contains", "|base64offset|contains", "|wide|contains")
        ],
        *[line(field, how, st.integers(-2, 30)) for how in ("|gt", "|gte", "|lt", "|lte")],
        line(field, "|cidr", st.sampled_from(["10.0.0.0/8", "10.1.2.0/24", "192.168.0.0/16", "::/0"])),
        line(field, "|re", st.sampled_from(["^a", "a$", "[ab]+1", "(?:a|b).b", r"\d", "^$", "a.b"])),
        line(field, "|re|i", st.sampled_from(["^A", "a$", "[AB]+1"])),
        line(field, "|re|s", st.sampled_from(["a.b", ".$"])),
        line(field, "|re|m", st.sampled_from(["^a", "a$"])),
        st.booleans().map(lambda wanted: {field + "|exists": wanted}),
        st.sampled_from(FIELDS).map(lambda other: {field + "|fieldref": other}),
        st.sampled_from(FIELDS).map(lambda other: {field + "|fieldref|contains": other}),
        st.sampled_from(FIELDS).map(lambda other: {field + "|fieldref|endswith": other}),
    )


KEYWORDS = st.lists(st.one_of(PATTERNS.filter(bool), st.integers(0, 30)), min_size=1, max_size=3)
MAPS = st.lists(st.sampled_from(FIELDS).flatmap(lines), min_size=1, max_size=3).map(
    lambda some: {key: value for one in some for key, value in one.items()}
)
SELECTIONS = st.one_of(
    MAPS, KEYWORDS, KEYWORDS.map(lambda some: {"|all": some}), st.lists(MAPS, min_size=1, max_size=2)
)
CONDITIONS = st.sampled_from(
    [
        "s1",
        "not s1",
        "s1 and not s2",
        "s1 or s2 and s3",
        "(s1 or s2) and s3",
        "1 of s*",
        "all of them",
        "s1 and not 1 of s2*",
        "not (s1 and not s2) or NOT s3",
        "any of them",
    ]
)
RULES = st.fixed_dictionaries({"s1": SELECTIONS, "s2": SELECTIONS, "s3": SELECTIONS, "condition": CONDITIONS})


@settings(max_examples=800, suppress_health_check=list(HealthCheck))
@given(RULES, st.lists(EVENTS, min_size=1, max_size=5))
def test_generated(detection: dict[str, Any], events: list[dict[str, Any]]) -> None:
    rule = {"title": "t", "logsource": {"product": "windows"}, "detection": detection}
    test = evaluate.compiled(load._condition(detection))
    for event in events:
        assert test(Record(event)) is reference.matches(rule, event), event


HITS: Counter[bool] = Counter()
# So few letters that nearly every pattern meets nearly every text.
FEW = st.text(st.sampled_from([*"aA*?\\1"]), max_size=6)
NEAR = st.one_of(
    st.text(st.sampled_from([*"aA*\\1"]), max_size=5),
    st.sampled_from([None, True, 1, 1.0, 11, [], {}, [None], ["a", None]]),
)


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(
        ["", "|contains", "|startswith", "|endswith", "|cased", "|all", "|contains|all", "|neq", "|exists"]
    ),
    st.lists(st.one_of(FEW, FEW, FEW, st.sampled_from([None, True, False, 1, 11, 1.0])), max_size=2),
    st.lists(NEAR, min_size=6, max_size=6),
)
def test_patterns_and_texts_that_are_near(how: str, patterns: list[Any], values: list[Any]) -> None:
    if how == "|exists":
        patterns = [True]
    elif how not in {"", "|all", "|neq"}:
        patterns = [str(one) for one in patterns]
    detection = {"s": {"F" + how: patterns}, "condition": "s"}
    test = evaluate.compiled(load._condition(detection))
    for event in ({"F": values}, {}, *({"F": one} for one in values)):
        wanted = reference.matches({"detection": detection}, event)
        assert test(Record(event)) is wanted, event
        HITS[wanted] += 1


def test_both_answers_were_given() -> None:
    assert min(HITS[True], HITS[False]) > sum(HITS.values()) / 10


@corpora
def test_every_rule_on_what_was_recorded(sigmahq: Ruleset) -> None:
    """Of the recordings one event in a few, for the reference takes its time; of the regression tests all."""
    documents = {}
    for path in {rule.path for rule in sigmahq.rules}:
        for document in yaml.load_all(Path(path).read_text(), yaml.CSafeLoader):
            documents[str(document["id"])] = document
    engine, hits = Engine(sigmahq), 0
    for event in (*checked(), *recorded(every=1999)):
        record = Record(event)
        found = {sigmahq.rules[hit.place].id for hit in engine.hits(record)}
        for aliases, places in engine._router.of(record):
            if not aliases:
                for place in places:
                    wanted = reference.matches(documents[sigmahq.rules[place].id], event)
                    assert wanted is (sigmahq.rules[place].id in found), (sigmahq.rules[place].path, event)
                    hits += wanted
    assert hits > 150


def test_a_value_of_any_length_takes_its_time_only() -> None:
    """Patterns that a backtracking matcher would never get through."""
    wild = evaluate.compiled(selection({"a": "*a*" * 30 + "b"}))
    regex = evaluate.compiled(selection({"a|re": "(a+)+$"}))
    assert not wild(Record({"a": "a" * 200_000}))
    assert not regex(Record({"a": "a" * 200_000 + "b"}))
