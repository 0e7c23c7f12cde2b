"""Rules as queries of others: the pySigma plug-in, what it refuses by name, and `sekisho rules export`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.plugins import InstalledSigmaPlugins

from corpora import RULES, checked, corpora
from sekisho.detection import load, queries
from sekisho.detection.export import fields, navigator
from sekisho.detection.export.formats import FORMATS
from sekisho.detection.export.pipeline import NotExported, sekisho
from sekisho.detection.records.record import Record, text_of
from sekisho.detection.records.routing import routes
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import All, AnyOf, Item, Logsource, Node, Not, Rule, Ruleset, written
from sekisho.telemetry.elastic.fields import Flat
from test_command import RULE, run

BIN = Path(sys.executable).parent
OWN = Path(__file__).parents[2] / "detection_rules"
SYSTEM = {"EventID", "Channel", "Provider_Name"}  # asked of the fields that we add


def rule(detection: dict[str, Any], **logsource: str) -> dict[str, Any]:
    return {
        "title": "x",
        "id": "6f2b5a0e-3d0c-4b0e-9a34-5345b1540003",
        "logsource": logsource or {"product": "windows", "service": "system"},
        "detection": {"condition": "s", "s": detection} if "condition" not in detection else detection,
    }


def _id(number: int) -> str:
    """Ids that begin alike."""
    return f"6f2b5a0e-3d0c-4b0e-9a34-{number:012}"


def lucene(document: dict[str, Any]) -> str:
    [found] = LuceneBackend(sekisho()).convert(SigmaCollection.from_dicts([document]))
    return str(found)


def test_pysigma_finds_the_plug_in() -> None:
    assert "sekisho" in InstalledSigmaPlugins.autodiscover().pipelines
    listed = subprocess.run([BIN / "sigma", "list", "pipelines", "lucene"], capture_output=True, text=True, check=True)
    assert "sekisho" in listed.stdout


def test_the_command_writes_what_sigma_convert_does(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(yaml.safe_dump(RULE))
    argv = [BIN / "sigma", "convert", "-t", "lucene", "-p", "sekisho", tmp_path / "a.yml"]
    theirs = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    run("rules", "export", tmp_path / "a.yml", "--to", tmp_path / "to")
    [file] = (tmp_path / "to" / "queries").iterdir()
    assert file.name == "a-6f2b5a0e.lucene"
    assert file.read_text().split() == theirs.split()
    assert "*\\\\cmd.exe" in theirs


def test_a_process_is_looked_for_wherever_it_is_told() -> None:
    found = lucene(rule({"Image": "C:\\A b.EXE"}, product="windows", category="process_creation"))
    logsource, _, rest = found.partition(" AND (winlog")
    assert logsource == (
        "((event.dataset:microsoft\\-windows\\-sysmon\\/operational AND event.code:1) OR "
        "(event.dataset:security AND event.code:4688))"
    )
    for name in ("Image", "NewProcessName"):
        for prefix in ("", "Event.EventData.", ".event_data."):
            assert f'{prefix}{name}:"c\\:\\\\a b.exe"' in rest


def test_what_is_missing_is_missing_under_every_name() -> None:
    names = ("winlog.event_data.a", "Event.EventData.a", "a")
    none = " AND ".join(f"(NOT _exists_:{name})" for name in names)
    assert none in lucene(rule({"a": None}, product="windows", category="dns_query"))
    there = lucene(rule({"a|exists": False}, product="windows", category="dns_query"))
    assert " AND ".join(f"NOT _exists_:{name}" for name in names) in there
    either = lucene(rule({"a": [None, ""]}, product="windows", category="dns_query"))
    assert 'OR (winlog.event_data.a:"" OR Event.EventData.a:"" OR a:"")' in either
    assert none in either


def test_each_of_several_texts_may_stand_in_another_place() -> None:
    found = lucene(rule({"Data|contains|all": ["One", "two"]}, product="windows", service="application"))
    first, second = found.split(" AND ")[-2:]
    assert first.count("*one*") == second.count("*two*") == 4
    assert "winlog.event_data.param\\*:*one*" in first


@pytest.mark.parametrize(
    ("detection", "why"),
    [
        ({"a|re": "x.*"}, "a regular expression"),
        ({"a|cased": "X"}, "cased"),
        ({"a|cidr": "10.0.0.0/8"}, "cidr"),
        ({"a|gt": 5}, "a comparison of numbers"),
        ({"a|hour": 5}, "a part of a time"),
        ({"a|fieldref": "b"}, "fieldref"),
        ({"a": "İ"}, "another small letter"),
        ({"a": "x" * 9000}, "longer than those that are indexed"),
        ({"a": "*".join("abcdefghijklmnopq")}, "too many wildcards"),
        (["words", "alone"], "words without a field"),
        ([{"a": ["b", "c"]}, {"d|re": "x"}], "a regular expression"),
    ],
)
def test_what_would_be_answered_wrongly_is_refused_by_name(detection: Any, why: str) -> None:
    with pytest.raises(NotExported, match=why) as caught:
        lucene(rule(detection))
    assert caught.value.reason.ja != caught.value.reason.en


def test_a_name_that_means_two_things_is_refused() -> None:
    for name in ("ProcessId", "ParentProcessId"):
        with pytest.raises(NotExported, match="means different things"):
            lucene(rule({name: 4}, product="windows", category="process_creation"))
    assert "ProcessId:4" in lucene(rule({"ProcessId": 4}, product="windows", category="dns_query"))


def test_what_stands_within_a_message_is_refused() -> None:
    with pytest.raises(NotExported, match="within the message"):
        lucene(rule({"USER": "#-*"}, product="linux", service="sudo"))
    assert "MESSAGE:*denied*" in lucene(rule({"message|contains": "denied"}, product="linux", service="sudo"))


def test_a_logsource_that_nobody_knows_is_refused() -> None:
    with pytest.raises(NotExported, match="is not known"):
        lucene(rule({"a": "b"}, product="abacus"))


def leaves(node: Node) -> Iterator[Item]:
    match node:
        case Item():
            yield node
        case Not():
            yield from leaves(node.child)
        case All() | AnyOf():
            for one in node.children:
                yield from leaves(one)


def asked(some: Ruleset) -> dict[Logsource, set[str]]:
    """The fields that rules ask for, by logsource."""
    found: dict[Logsource, set[str]] = {}
    for one in some.rules:
        found.setdefault(one.logsource, set()).update(item.field for item in leaves(one.condition) if item.field)
    return found


def own_events() -> Iterator[dict[str, Any]]:
    for path in sorted(OWN.rglob("*.ndjson")):
        yield from map(orjson.loads, path.read_bytes().splitlines())


@corpora
def test_the_names_of_a_field_hold_what_the_engine_sees_in_it(sigmahq: Ruleset) -> None:
    """Over every recorded event: the document has values under one of the names, and they are the engine's."""
    by_logsource = asked(sigmahq)
    compared = 0
    for record in [*checked(), *own_events()]:
        document = Flat(record, orjson.dumps(record)).values
        event = Record(record)
        for source, names in by_logsource.items():
            taking = [route for route in routes(source) if route.takes(event)]
            for name in names - SYSTEM if taking else ():
                try:
                    there = fields.names(name, routes(source))
                except CannotUse:
                    continue
                seen = event.called(taking[0].aliases).texts(name)
                stored = [
                    one if isinstance(one, str) else text_of(one)
                    for key, values in document.items()
                    if any(fnmatchcase(key, pattern) for pattern in there)
                    for one in (values if isinstance(values, list) else [values])
                ]
                assert sorted(set(stored)) == sorted(set(seen)), (name, source, there)
                compared += bool(seen)
    assert compared > 1_000


def test_a_layer_counts_the_rules_of_a_technique() -> None:
    def tagged(number: int, level: Any, *tags: str) -> Rule:
        return Rule(str(number), "x", level, None, Logsource(), written(Item("a", ())), "x", tags)

    some = [
        tagged(1, "high", "attack.execution", "attack.t1059.001", "attack.T1027"),
        tagged(2, "low", "attack.t1059.001", "attack.t1059.001", "car.2013-05-002"),
        tagged(3, None, "attack.t12", "attack.s0001"),
    ]
    layer = navigator.layer(some, "ours")
    assert layer["versions"] == {"navigator": "4.9.0", "layer": "4.5"}
    assert {one["techniqueID"]: one["score"] for one in layer["techniques"]} == {"T1027": 1, "T1059.001": 2}
    assert layer["techniques"][1]["metadata"] == [{"name": "high", "value": "1"}, {"name": "low", "value": "1"}]
    assert layer["gradient"]["maxValue"] == 2
    assert navigator.layer([], "none")["gradient"]["maxValue"] > 0


def test_the_command_tells_what_became_of_each_rule(tmp_path: Path) -> None:
    rules, to = tmp_path / "rules", tmp_path / "to"
    rules.mkdir()
    odd = {**RULE, "id": _id(1), "title": "Odd", "detection": {"s": {"a": "b"}, "condition": "s"}}
    refused = {**RULE, "id": _id(2), "title": "Regular", "detection": {"s": {"a|re": "b"}, "condition": "s"}}
    broken = {**RULE, "id": _id(3), "title": "Broken", "detection": {"condition": "gone"}}
    (rules / "so me.yml").write_text(yaml.safe_dump_all([RULE, odd, refused, broken]))
    (rules / "so?me.yml").write_text(yaml.safe_dump_all([{**odd, "id": _id(4)}, {**odd, "id": _id(5)}]))
    told = json.loads(run("rules", "export", rules, "--to", to, "--json").stdout)
    assert told == json.loads((to / "export.json").read_text())
    assert {one["title"]: one["reason"].split(":")[0] for one in told["refused"]} == {
        "Regular": "a",
        "Broken": "there is no selection 'gone'",
    }
    files = {one["file"] for one in told["exported"]}
    assert len(files) == 4
    assert files == {f"queries/{path.name}" for path in (to / "queries").iterdir()}
    two = next(one["file"] for one in told["exported"] if one["id"] == RULE["id"])
    assert len((to / two).read_text().splitlines()) == 2, "a query a condition"
    assert json.loads((to / "navigator.json").read_text())["techniques"] == []
    assert "is not empty" in run("rules", "export", rules, "--to", to, code=2).stderr
    run("rules", "export", rules, "--to", tmp_path / "strict", "--strict", code=1)


def test_what_was_not_tried_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(yaml.safe_dump(RULE))
    words = ("rules", "export", tmp_path / "a.yml")
    for name, form in FORMATS.items():
        done = run(*words, "--to", tmp_path / name, "--format", name)
        assert ("not tried" in done.stderr) is not form.tried
        [file] = (tmp_path / name / "queries").iterdir()
        assert file.suffix == f".{form.suffix}"
        assert "cmd.exe" in file.read_text()
    shown = subprocess.run(
        [BIN / "sekisho", "rules", "export", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    assert "Not tried on a server yet: eql, esql." in shown


def refusals(tmp_path: Path, form: str, *documents: dict[str, Any]) -> dict[str | None, str]:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump_all(documents))
    return {one.title: one.reason.en for one in queries.of([tmp_path / "rules.yml"], FORMATS[form]).refused}


def test_what_a_format_cannot_say_is_refused(tmp_path: Path) -> None:
    without = {**rule({"condition": "s and not t", "s": {"a": "b"}, "t": {"c": "d"}}), "title": "not", "id": _id(1)}
    unnamed = {**rule({"Data": "x"}), "title": "data", "id": _id(2)}
    plain = {**rule({"a": "b"}, product="windows", category="dns_query"), "title": "plain", "id": _id(3)}
    assert refusals(tmp_path, "lucene", without, unnamed, plain) == {}
    assert set(refusals(tmp_path, "eql", without, unnamed, plain)) == {"data", "not"}
    assert "does not hold where the field is missing" in refusals(tmp_path, "esql", without, unnamed, plain)["not"]


def test_correlations_and_what_only_they_ask_for_are_refused(tmp_path: Path) -> None:
    counted = {
        "title": "counted",
        "correlation": {
            "type": "event_count",
            "rules": ["one"],
            "group-by": ["a"],
            "timespan": "5m",
            "condition": {"gte": 5},
        },
    }
    found = refusals(tmp_path, "lucene", {**rule({"a": "b"}), "name": "one"}, counted)
    assert found["counted"].startswith("a correlation")
    assert found["x"].startswith("only a correlation asks for it")


def test_filters_are_part_of_the_query(tmp_path: Path) -> None:
    added = {
        "title": "f",
        "logsource": {"product": "windows", "service": "system"},
        "filter": {"rules": ["one"], "selection": {"b": "quiet"}, "condition": "not selection"},
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump_all([{**rule({"a": "b"}), "name": "one"}, added]))
    [found] = queries.of([tmp_path / "rules.yml"], FORMATS["lucene"]).queries
    assert "NOT" in found.texts[0]
    assert "b:quiet" in found.texts[0]


@corpora
def test_every_rule_has_a_query_or_a_reason() -> None:
    found = queries.of([RULES, OWN], FORMATS["lucene"])
    known = load.load([RULES, OWN])
    assert len(found.queries) + len(found.refused) == len(known.rules) + len(known.correlations) + len(known.unusable)
    assert len(found.queries) > 3_400
    assert not [one for one in found.refused if "pySigma cannot convert" in one.reason.en]
