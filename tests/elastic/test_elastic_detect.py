"""Files, the embedded store and Elasticsearch: the same events and the same rules give the same alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import corpora
from conftest import Place
from recordings import RAW_TRAPS, ROOT, TRAPS
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.query import Log, Span
from three_ways import SYSMON, Stores, agree, rule, started, stores_of, written


@pytest.fixture(scope="module")
def mixed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """The events of all regression tests, some of the recordings, those of our own rules, traps, and logs once more."""
    folder = tmp_path_factory.mktemp("mixed")
    some, traps, own = (folder / name for name in ("recorded.json", "traps.json", "own.json"))
    events = (*corpora.checked(), *corpora.recorded(every=40))
    some.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    traps.write_bytes(b"\n".join([*(json.dumps(one).encode() for one in TRAPS), *RAW_TRAPS]))
    # Each of these was written as if by a journal of its own.
    ours = enumerate(sorted((ROOT / "detection_rules").rglob("*.ndjson")))
    own.write_text("".join(path.read_text().replace('"s=', f'"s={number}') for number, path in ours))
    logs = [*sorted(corpora.REGRESSION.rglob("*.evtx"))[::10], *sorted(corpora.REGRESSION.rglob("*.json"))[::10]]
    found = stores_of(settings, folder, [[some, traps, own, *logs]])
    yield found
    found.place.client.close()


@corpora.corpora
def test_all_rules_find_the_same_in_three_ways(mixed: Stores) -> None:
    rules = [corpora.RULES, ROOT / "detection_rules"]
    found = mixed.three(rules)
    assert agree(found) > 300
    # Not only the same whoever works: a span is the same in both stores too, and two halves are the whole.
    whole = found[1]
    times = sorted(one["timestamp"] for one in whole if one["timestamp"])
    half = times[len(times) // 2]
    before, after = mixed.two(rules, "--to", half), mixed.two(rules, "--from", half, "--workers", "0")
    assert before[0] == before[1]
    assert after[0] == after[1]
    alone = [one for one in whole if "event_ids" not in one]
    parts = [one for one in (*before[0], *after[0]) if "event_ids" not in one]
    assert parts == [one for one in alone if one["timestamp"] is not None]
    assert any(one["timestamp"] == half for one in after[0])


CORRELATED = [
    rule(1, {"s": {"CommandLine|contains": "burst"}}, name="burst"),
    rule(2, {"s": {"CommandLine|contains": "first"}}, name="first"),
    rule(3, {"s": {"CommandLine|contains": "second"}}, name="second"),
    *(
        {"title": kind, "id": f"6f2b5a0e-3d0c-4b0e-9a34-5345b1560{number:03}", "level": "critical",
         "correlation": {"type": kind, "timespan": "1m", "group-by": ["User"], **more}}
        for number, (kind, more) in enumerate(
            [
                ("event_count", {"rules": ["burst"], "condition": {"gte": 3}}),
                ("value_count", {"rules": ["burst"], "condition": {"gte": 3, "field": "Image"}}),
                ("temporal", {"rules": ["first", "second"]}),
                ("temporal_ordered", {"rules": ["first", "second"], "generate": True,
                                      "group-by": ["who"],
                                      "aliases": {"who": {"first": "User", "second": "ParentUser"}}}),
            ]
        )
    ),
]  # fmt: skip


def test_correlations_find_the_same_in_three_ways(settings: Settings, tmp_path: Path) -> None:
    """Windows that slide over the end of a minute and of a file, groups, and names that differ."""
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_bytes(
        b"".join(
            [
                *(started(50 + 4 * n, "burst", "İ" if n % 2 else "a", Image=f"{n}.exe") for n in range(8)),
                started(200, "second", "b", ParentUser="c"),
                started(205, "first", "c"),
                started(400, "first", "b"),
            ]
        )
    )
    # Out of order, and in another file than what came before.
    other.write_bytes(
        b"".join(
            [
                started(410.5, "second", "b", ParentUser="b"),
                started(210, "second", "c", ParentUser="c"),
                *(started(60 + 4 * n, "burst", "a", Image="3.exe") for n in range(3)),
                started(900, "burst", "a"),
            ]
        )
    )
    found = stores_of(settings, tmp_path, [[other, one]]).three([written(tmp_path / "rules.yml", CORRELATED)])
    agree(found)
    by_title = {
        title: [a for a in found[2] if a["rule_title"] == title]
        for title in ("event_count", "value_count", "temporal", "temporal_ordered", "Rule 1", "Rule 2")
    }
    assert [(a["matched"], len(a["event_ids"]), a["timestamp"]) for a in by_title["event_count"]] == [
        ({"User": "a"}, 7, "2026-11-24T00:01:00+00:00"),
        ({"User": "İ"}, 4, "2026-11-24T00:01:10+00:00"),
    ]
    assert [a["matched"] for a in by_title["value_count"]] == [{"User": "a"}, {"User": "İ"}]
    assert [a["matched"] for a in by_title["temporal"]] == [{"User": "c"}, {"User": "b"}]
    assert [a["matched"] for a in by_title["temporal_ordered"]] == [{"who": "c"}, {"who": "b"}]
    assert not by_title["Rule 1"], "what only correlations count is no alert"
    assert by_title["Rule 2"]


def test_values_of_any_kind_find_the_same_in_three_ways(settings: Settings, tmp_path: Path) -> None:
    """Letters, lengths and types on which Lucene and a rule do not agree; none of them is Lucene's to judge."""
    values: list[Any] = [
        "İstanbul", "istanbul", "i̇stanbul", "ISTANBUL", "straße", "STRASSE", "STRAßE", "\u212aelvin", "kelvin", "ΟΔΟΣ",
        "οδος", "x" * 9000 + "needle", "漢" * 8191 + "needle", "x" * 40_000, "", None, [], {}, [None, "needle"],
        True, "true", "True", 1, "1", 1.0, "01", -0.0, 1e3, 12345678901234567890, {"deep": {"er": ["needle", 5]}},
        ["a", ["b", {"c": "needle"}]], "-", "10.0.0.1", "::ffff:10.0.0.1", "before\u0000needle", "a\nneedle",
    ]  # fmt: skip
    asked: list[dict[str, Any]] = [
        {"X": value}
        for value in ("istanbul", "İSTANBUL", "strasse", "straße", "kelvin", "οδοσ", "", None, "true", 1, "01")
    ]
    asked += [
        {"X|contains": "needle"},
        {"X|contains": "i̇s"},
        {"X|re": "needle$"},
        {"X|exists": True},
        {"X|exists": False},
    ]
    asked += [{"X|cidr": "10.0.0.0/8"}, {"X|gte": 1000}, {"X|startswith": "xxxx"}, {"X": True}, {"X|cased": "İstanbul"}]
    rules = [rule(number, {"s": one}) for number, one in enumerate(asked)]
    rules += [
        {**rule(100 + number, {"s": {}}), "detection": {"a": {"EventID": 1}, "s": one, "condition": "a and not s"}}
        for number, one in enumerate(asked)
    ]
    rules.append({**rule(200, {}), "detection": {"s": ["needle", "kelvin"], "condition": "s"}})
    wide = tmp_path / "wide.json"
    wide.write_bytes(
        b"".join(started(n, "wide", "a", **{f"field{n}_{m}": m for m in range(1500)}) for n in range(5))
        # The index has no room for these fields any more.
        + started(10, "late", "a", X="needle", Y="needle")
    )
    events = tmp_path / "events.json"
    lines = [started(20 + n, "x", "a", X=value) for n, value in enumerate(values)]
    events.write_bytes(b"".join([*lines, started(80, "x", "a"), started(81, "x", "a", **{"X.deep.er": "needle"})]))
    found = stores_of(settings, tmp_path, [[wide], [events]]).three([written(tmp_path / "rules.yml", rules)])
    assert agree(found) > 800
    seen = {one["rule_title"] for one in found[2]}
    assert len(seen) == len(rules), f"rules that nothing matched: {sorted({r['title'] for r in rules} - seen)}"


SHAPES: list[dict[str, Any]] = [
    {"Channel": "Security", "EventID": 4688},
    {"Channel": "sEcUrItY", "EventID": "4688"},
    {"Channel": "Security", "EventID": "0004688"},
    {"Channel": "Security", "EventID": 4688.0},
    {"Channel": "Security", "EventID": [4688]},
    {"Channel": ["Security"], "EventID": 4688},
    {"Channel": SYSMON, "EventID": 1},
    {"Channel": SYSMON, "EventID": 11},
    {"Channel": "Microsoft-Windows-Tas\u212aScheduler/Operational", "EventID": 106},
    {"Channel": "M\u0130crosoft-Windows-TaskScheduler/Operational", "EventID": 106},
    {"winlog": {"channel": "Security", "event_id": 4688}},
    {"winlog": {"channel": "Security", "event_id": "04688"}},
    {"winlog": {"channel": "Security", "event_id": 4689}},
    {"winlog": {"channel": "Security", "event_id": 4688, "event_data": {"EventID": 1}}},
    {"winlog": {"channel": SYSMON, "event_id": 1}, "Channel": "System", "EventID": 7},
    {"Event": {"System": {"Channel": "Security", "EventID": 4688}}},
    {"Event": {"System": {"Channel": "Security", "EventID": {"#attributes": {"Qualifiers": 0}, "#text": 4688}}}},
    {"Event": {"System": {"Channel": "Security", "EventID": {"#text": "4688"}}, "EventData": {"EventID": 5}}},
    {"Event": {"System": {"Channel": "Security", "EventID": {"#text": [4688]}}}},
    {"Event": "no object", "Channel": SYSMON, "EventID": 1},
    {"Channel": "System", "EventID": 1},
    {"channel": "Security", "eventid": 4688},
    {"program": "sshd", "message": "EventID 4688"},
]  # fmt: skip


def test_what_is_not_read_could_not_have_matched(settings: Settings, tmp_path: Path) -> None:
    """Records of every shape, where Elasticsearch is asked for those of some logs only."""
    path, full = tmp_path / "shapes.json", tmp_path / "full.json"
    lines = [orjson.dumps({**one, "EventTime": "2026-11-24T00:00:00Z", "n": n}) for n, one in enumerate(SHAPES)]
    lines.append(b'{"Channel":"System","Channel":"Security","EventID":9,"EventID":4688,"n":99}')
    path.write_bytes(b"\n".join(lines))
    # A day whose index has no room for the fields by which logs are told.
    wide = [{"EventTime": "2026-11-25T00:00:00Z", **{f"f{n}_{m}": m for m in range(1500)}} for n in range(5)]
    late = [{**one, "EventTime": "2026-11-25T00:00:01Z", "m": n} for n, one in enumerate(SHAPES)]
    full.write_bytes(b"\n".join(orjson.dumps(one) for one in (*wide, *late)))
    # Whatever they are routed to, they say: no condition asks for anything that a log does not say.
    sources = [
        {"product": "windows", "category": "process_creation"},
        {"product": "windows", "service": "security"},
        {"product": "windows", "service": "taskscheduler"},
        {"product": "windows", "category": "file_event"},
    ]
    rules = [
        {**rule(number, {}), "logsource": source, "detection": {"s": {"gone": None}, "condition": "s"}}
        for number, source in enumerate(sources)
    ]
    both = stores_of(settings, tmp_path, [[full], [path]])
    assert agree(both.three([written(tmp_path / "rules.yml", rules)])) > 30
    logs = [Log(frozenset({"security"}), frozenset({4688})), Log(frozenset({SYSMON.lower()}), frozenset({1}))]
    assert read(both.place, Span(), logs) < read(both.place, Span(), None), "and some were not read"


def read(place: Place, span: Span, logs: list[Log] | None) -> int:
    with place.store.pieces(span, logs) as some:
        return sum(len(events) for one in some for events in one.events())
