"""Rules that are blind: told for every one, on what came, and none that could match is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import orjson
import pytest
import yaml

from corpora import checked, corpora, recorded
from sekisho.core import folders
from sekisho.detection import blind, load
from sekisho.detection.matching import correlate
from sekisho.detection.matching.engine import Engine
from sekisho.detection.records import routing
from sekisho.detection.records.record import Record
from sekisho.detection.rules import needs
from sekisho.detection.rules.rule import Correlation, Ruleset
from sekisho.detection.sight import Seen, Sight
from sekisho.telemetry.event import Ecs, Event
from sekisho.telemetry.query import Span
from sekisho.telemetry.workers import Workers
from test_command import run

NOW = datetime.now(UTC)


class Some:
    """A store of plain records, in pieces of a few."""

    def __init__(self, records: list[bytes], size: int = 1000) -> None:
        self._pieces = [Piece(records[at : at + size]) for at in range(0, len(records), size)]

    def pieces(self, *_: object) -> Any:
        return nullcontext(self._pieces)


class Piece:
    """Some of them."""

    since = 0

    def __init__(self, records: list[bytes]) -> None:
        self._records, self.size = records, len(records)

    def events(self) -> Iterator[list[Event]]:
        yield [Event(b"", 0, one, "f", 0, Ecs()) for one in self._records]


def seen(ruleset: Ruleset, records: list[dict[str, Any]], size: int = 1000, workers: int = 0) -> Seen:
    sight = Sight(ruleset.rules, correlate.facts(ruleset))
    with Workers(workers) as some:
        return sight.of_store(Some(list(map(orjson.dumps, records)), size), Span(), some, lambda *_: None)  # type: ignore[arg-type]


@corpora
def test_what_is_seen_is_what_stands_in_any_event(sigmahq: Ruleset) -> None:
    """Held against every field of every rule in every event, without remembering any."""
    records = [*recorded(every=80), *checked()]
    found = seen(sigmahq, records)
    assert found == seen(sigmahq, records, size=177, workers=2)
    fields: dict[routing.Route, set[str]] = {}
    taken: dict[routing.Route, int] = {}
    asked = {route: one.fields for route, one in found.routes.items()}
    assert len(asked) > 20
    every = {route for rule in sigmahq.rules for route in routing.routes(rule.logsource)}
    wanted: dict[routing.Route, set[str]] = {route: set() for route in every}
    for rule in sigmahq.rules:
        for route in routing.routes(rule.logsource):
            wanted[route] |= set(needs.fields(rule.condition))
    for one in records:
        record = Record(one)
        for route in every:
            if route.takes(record):
                taken[route] = taken.get(route, 0) + 1
                called = record.called(route.aliases)
                left = wanted[route] - fields.setdefault(route, set())
                fields[route] |= {field for field in left if called.has(field)}
    assert {route: one.events for route, one in found.routes.items()} == taken
    assert {route: one.fields for route, one in found.routes.items()} == fields


@corpora
def test_no_rule_that_matches_is_called_blind(sigmahq: Ruleset) -> None:
    records = [*checked(), *recorded(every=40)]
    engine = Engine(sigmahq)
    hit = {engine.rule(one).id for record in records for one in engine.hits(Record(record))}
    told = {one.rule.id: one for one in blind.blind(sigmahq, seen(sigmahq, records))}
    assert len(hit) > 150
    assert not hit & told.keys()
    assert {one.kind for one in told.values()} == {"logsource", "fields"}


def sysmon(number: int = 1, **fields: Any) -> dict[str, Any]:
    own = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": number, "Hostname": "pc-0001"}
    return {**own, "UtcTime": NOW.strftime("%Y-%m-%d %H:%M:%S.000"), **fields}


def written(folder: Path, *documents: dict[str, Any]) -> Path:
    path = folder / "rule.yml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def rule(key: str, selection: Any, category: str = "process_creation", **more: Any) -> dict[str, Any]:
    logsource = {"product": "windows", "category": category}
    detection = {"s": selection, "condition": "s"}
    return {"title": f"Rule {key}", "id": key, "level": "high", "logsource": logsource, "detection": detection, **more}


def correlation(key: str, kind: str, *rules: str, **more: Any) -> dict[str, Any]:
    said = {"type": kind, "rules": list(rules), "timespan": "5m", "group-by": ["Hostname"], **more}
    return {
        "title": f"Rule {key}",
        "id": str(uuid5(NAMESPACE_DNS, key)),
        "name": key,
        "level": "high",
        "correlation": said,
    }


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A state folder whose store has a few events of now, and older ones."""
    old = (NOW - timedelta(days=40)).strftime("%Y-%m-%d %H:%M:%S.000")
    events = [
        sysmon(Image="C:\\a.exe", CommandLine=None),
        sysmon(3, Image="C:\\a.exe", DestinationIp="10.0.0.1"),
        sysmon(Image="C:\\b.exe", Company="x", UtcTime=old),
        sysmon(22, QueryName="a.example", UtcTime=old),
    ]
    path = tmp_path / "events.json"
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    run("ingest", path, "--state", tmp_path / "state")
    return tmp_path / "state"


def test_each_is_told_with_its_reason(store: Path, tmp_path: Path) -> None:
    some = [
        rule("sees", {"Image|endswith": "\\z.exe"}),
        rule("null", {"Image|endswith": "\\z.exe", "CommandLine": None}),
        rule("keyword", ["nothing of the kind"]),
        rule("company", {"Image": "x", "Company": "y"}),
        rule("either", [{"Company": "y"}, {"Image": "x"}]),
        rule("dns", {"QueryName": "a"}, "dns_query"),
        rule("driver", {"ImageLoaded": "a"}, "driver_load"),
        correlation("all", "temporal", "sees", "company"),
        correlation("any", "event_count", "sees", "company", condition={"gte": 2}),
        correlation("group", "event_count", "sees", condition={"gte": 2}, **{"group-by": ["LogonId"]}),
        correlation("above", "event_count", "all", condition={"gte": 2}),
        correlation("two of three", "temporal", "sees", "null", "company", condition={"gte": 2}),
        correlation("three of three", "temporal", "sees", "null", "company", condition={"gte": 3}),
    ]
    rules = written(tmp_path, *some)
    words = ("rules", "check", rules, "--store", "--state", store)
    found = json.loads(run(*words, "--json").stdout)
    told = {one["title"].removeprefix("Rule "): one for one in found["store"]["blind"]}
    assert (found["store"]["events"], found["unusable"]) == (2, [])
    assert {key: (one["kind"], one["fields"]) for key, one in told.items()} == {
        "company": ("fields", ["Company"]),
        "dns": ("logsource", []),
        "driver": ("logsource", []),
        "all": ("rules", ["Company"]),
        "group": ("rules", ["LogonId"]),
        "above": ("rules", ["Company"]),
        "three of three": ("rules", ["Company"]),
    }
    assert told["company"]["reason"] == "fields that it needs are in no event: Company"
    assert told["dns"]["reason"] == "none of its logs came"
    assert "'Rule company'" in told["all"]["reason"]
    shown = run(*words).stdout
    assert "Rule dns (dns): none of its logs came (category: dns_query, product: windows)" in shown
    assert "7 of 13 rules are blind, by 2 events" in shown
    japanese = run(*words, "--lang", "ja").stdout
    assert "必要な項目がどのイベントにもない: Company" in japanese
    run(*words, "--strict", code=1)
    run("rules", "check", rules, "--strict")


def test_the_period_and_the_rules_are_the_policys(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "policies").mkdir(parents=True)
    (tmp_path / "home" / "detection_rules").mkdir()
    some = [rule("company", {"Company": "x"}), rule("dns", {"QueryName": "a"}, "dns_query", level="low")]
    written(tmp_path / "home" / "detection_rules", *some)
    text = (folders.data("policies") / "detection.yml").read_text(encoding="utf-8")
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path / "home"))
    for period, rules, blind_ones in (
        ("30d", "{}", ["company", "dns"]),
        ("90d", "{}", []),
        ("30d", "{levels: [low]}", ["dns"]),
    ):
        mended = text.replace("blind_after: 30d", f"blind_after: {period}").replace("ours: {}", f"ours: {rules}")
        (tmp_path / "home" / "policies" / "detection.yml").write_text(mended, encoding="utf-8")
        found = json.loads(run("rules", "check", "--store", "--state", store, "--json").stdout)
        assert sorted(one["id"] for one in found["store"]["blind"]) == blind_ones


def test_a_store_without_events_is_told(tmp_path: Path) -> None:
    assert "no events yet" in run("rules", "check", "--store", "--state", tmp_path, code=3).stderr


def test_records_of_any_shape_are_looked_at(tmp_path: Path) -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    records = [orjson.dumps(sysmon(Image="here")).replace(b'"here"', deep)]
    records += map(orjson.dumps, [sysmon(Image=[[], {}, [None]]), {"EventID": [1], "Channel": "x"}, {}, {"winlog": {}}])
    condition = rule("a", {"Image": "x", "Data": "y"})
    ruleset = load.load([written(tmp_path, condition)])
    sight = Sight(ruleset.rules, {})
    with Workers(0) as some:
        store = Some([*records, *records])
        (told,) = blind.blind(ruleset, sight.of_store(store, Span(), some, lambda *_: None))  # type: ignore[arg-type]
    assert told.fields == ("Data",)


def test_correlations_that_rest_on_nothing_known_are_refused_before(tmp_path: Path) -> None:
    found = load.load([written(tmp_path, rule("a", {"Image": "x"}), correlation("c", "temporal", "a", "gone"))])
    assert [one.title for one in found.unusable] == ["Rule c"]
    assert not any(isinstance(one.rule, Correlation) for one in blind.blind(found, seen(found, [sysmon()])))
