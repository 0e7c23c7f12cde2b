"""To look at a record's text first, changes nothing: what is found then is what every rule finds that is asked."""

from __future__ import annotations

import json
import platform
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpora import checked, corpora, recorded
from sekisho.detection import load
from sekisho.detection.detect import ASIDE
from sekisho.detection.matching.engine import Engine
from sekisho.detection.records.record import Record
from sekisho.detection.rules.rule import Logsource, Rule, Ruleset, written
from sekisho.detection.scan import plan
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.scanner import Scanner
from test_reference import EVENTS, FIELDS, RULES, VALUES

# Only where there is no wheel of it: that it is missing elsewhere is a failure.
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="there is no Hyperscan for this machine")
WINDOWS = [
    Logsource(product="windows"),
    Logsource(product="windows", service="security"),
    Logsource(product="windows", category="process_creation"),
]
OTHERS = [
    Logsource(category="proxy"),
    Logsource(product="linux", service="sudo"),
    Logsource(product="linux", service="auditd"),
    Logsource(product="linux"),
    Logsource(product="linux", category="process_creation"),
    Logsource(category="firewall"),
]
SOME = st.dictionaries(st.sampled_from([*FIELDS, "c-uri"]), VALUES, max_size=5)
WORDS = st.sampled_from([*'aA bB=;:"\\/.1', "n=1", "Image=", "COMMAND=", "devname=", "K"])
MESSAGES = st.lists(WORDS, max_size=8).map("".join)
LINES = st.one_of(
    SOME,
    st.builds(lambda some, text: {**some, "program": "sudo", "message": text}, SOME, MESSAGES),
    SOME.map(lambda some: {"type": "EXECVE", "msg": "audit(1.000:1)", **some}),
    SOME.map(lambda some: {"derived_from": "x", **some}),
    SOME.map(lambda some: {"oob.prefix": "x", "dest_ip": "10.1.2.3", **some}),
    # Within another object, or beside one, the two fields that tell a Windows record mean nothing, or not the same.
    EVENTS.map(lambda event: {"a": [event], "EventID": 2, "Channel": "System"}),
    EVENTS.map(lambda event: {"a": event, "c-uri": "aB"}),
)


def spelled(how: random.Random, event: Any) -> bytes:
    """One of the ways in which JSON can write this."""
    match how.randrange(6):
        case 0:
            return json.dumps(event).encode()
        case 1:
            return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        case 2:
            return orjson.dumps(event).replace(b"/", b"\\/")
        case 3:
            return json.dumps(event, separators=(" ,\t", " : ")).encode()
        case 4 if isinstance(event, dict):
            text = orjson.dumps(event)
            return text[:-1] + b"," + orjson.dumps({"EventID": 4688, "Channel": "Security"})[1:]
    return orjson.dumps(event)


def read(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def differences(rules: Sequence[Rule], texts: Sequence[bytes], cache: Cache | None = None) -> list[tuple[str, bytes]]:
    """The rules and texts for which a scanner's answer is another."""
    engine, sieve = Engine(Ruleset(tuple(rules))), Scanner(rules, cache, (b'"__CURSOR"',))
    found = []
    for place, among in sieve.suspects(texts):
        record = read(texts[place])
        found += [] if record is None else [(place, hit.place) for hit in engine.hits(Record(record), among)]
    wanted = [
        (place, hit.place)
        for place, text in enumerate(texts)
        if (record := read(text)) is not None
        for hit in engine.hits(Record(record))
    ]
    return [(rules[rule].title, texts[place]) for place, rule in sorted({*found} ^ {*wanted})]


def made(detection: dict[str, Any], source: Logsource) -> Rule:
    return Rule(str(detection), str(detection), None, None, source, written(load._condition(detection)), "")


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(RULES, st.sampled_from([*WINDOWS, *OTHERS])), min_size=1, max_size=6),
    st.lists(st.one_of(EVENTS, LINES), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_generated(
    rules: list[tuple[dict[str, Any], Logsource]], events: list[dict[str, Any]], how: random.Random
) -> None:
    some = [made(detection, source) for detection, source in rules]
    texts = [spelled(how, event) for event in events]
    before = plan._STEPS
    plan._STEPS = (1, 2)  # so that automata are made, which are wanted here
    try:
        assert not differences(some, texts * 3)
    finally:
        plan._STEPS = before


@pytest.mark.parametrize("name", ["kullanıcı", "ſecret", "İstanbul", "\u212aelvin", "ΣΊΣΥΦΟΣ", "straße", "Ĳssel"])
@pytest.mark.parametrize("key", ["Image|endswith", "Image|contains", "Image"])
def test_letters_whose_case_leads_to_others(name: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_STEPS", (1, 2))
    channel = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1}
    spellings = [name, name.upper(), name.lower(), name.swapcase(), "other"]
    texts = [orjson.dumps({**channel, "Image": f"C:\\{one}.exe", "Other": "ı"}) for one in spellings]
    value = f"C:\\{name}.exe" if key == "Image" else f"\\{name}.exe"
    rule = made({"s": {key: value}, "condition": "s"}, Logsource("process_creation", "windows"))
    assert any(Engine(Ruleset((rule,))).hits(Record(orjson.loads(texts[0]))))
    assert not differences([rule], texts * 3)


@corpora
def test_all_rules_on_what_was_recorded(sigmahq: Ruleset) -> None:
    texts = [orjson.dumps(event) for event in (*checked(), *recorded(every=19))]
    assert len(texts) > 7_000
    assert not differences(sigmahq.rules, texts)


@corpora
def test_what_was_kept_finds_the_same(sigmahq: Ruleset, tmp_path: Path) -> None:
    rules = [rule for rule in sigmahq.rules if rule.logsource.category == "process_access"]
    texts = [orjson.dumps(event) for event in recorded(every=97)]
    cache = Cache(tmp_path, "rules")
    assert not differences(rules, texts, cache)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 2
    assert not differences(rules, texts, Cache(tmp_path, "rules"))
    for path in kept:  # damaged: as if it were not there
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert not differences(rules, texts, Cache(tmp_path, "rules"))
    for path in kept:
        path.write_bytes(path.read_bytes()[:40])
    assert not differences(rules, texts, Cache(tmp_path, "rules"))


def suspects(detection: dict[str, Any], text: bytes, **source: str) -> bool:
    """Whether the rule could match, once there is an automaton."""
    rules = [made({**detection, "condition": "s"}, Logsource(**source))]
    before = plan._STEPS
    plan._STEPS = (1, 2)
    try:
        return len(list(Scanner(rules).suspects([text] * 2))) == 2  # by the first the plan is made
    finally:
        plan._STEPS = before


@pytest.mark.parametrize(
    "text",
    [
        b'{"EventID":1,"Channel":"Security","Image":"C:\\\\mimi.exe"}',
        b'{"EventID":1,"Channel":"Security","Image":"C:\\u005cMIMI.exe"}',
        b'{"EventID":1,"Channel":"Security","Image":"C:\\\\mim\xc4\xb0\\\\mimi.exe"}',
        b'{ "Channel" : "Security" , "EventID" : "1" , "Image" : [ "C:\\\\mimi.exe" ] }',
        b'{"winlog":{"channel":"Security","event_id":1,"event_data":{"Image":"C:\\\\MIMI.EXE"}}}',
        b'{"EventID":9,"Channel":"System","EventID":1,"Channel":"Security","Image":"C:\\\\mimi.exe"}',
        b'{"a":{"EventID":9,"Channel":"System"},"EventID":1,"Channel":"Security","Image":"C:\\\\mimi.exe"}',
    ],
)
def test_what_could_match_is_read(text: bytes) -> None:
    detection = {"s": {"Image|endswith": "\\mimi.exe", "EventID": 1}}
    assert suspects(detection, text, product="windows", service="security")


def test_what_is_read_out_of_a_message_has_no_quotes_of_its_own() -> None:
    text = b'{"program":"sudo","message":"a : TTY=x ; USER=root ; COMMAND=/bin/mimi ; ENV=y"}'
    for how, value in (("", "/bin/mimi"), ("|startswith", "/bin/"), ("|endswith", "bin/mimi")):
        assert suspects({"s": {"COMMAND" + how: value}}, text, product="linux", service="sudo")
    assert not differences([made({"s": {"COMMAND": "/bin/mimi"}, "condition": "s"}, OTHERS[1])], [text] * 300)


@pytest.mark.parametrize(
    "text",
    [
        b'{"EventID":1,"Channel":"Security","Image":"C:\\\\other.exe","CommandLine":"C:\\\\mimi.exe -x"}',
        b'{"EventID":11,"Channel":"Security","Image":"C:\\\\mimi.exe"}',
        b'{"EventID":1,"Channel":"System","Image":"C:\\\\mimi.exe"}',
    ],
)
def test_what_could_not_match_is_not(text: bytes) -> None:
    detection = {"s": {"Image|endswith": "\\mimi.exe", "EventID": 1}}
    rules = [made({**detection, "condition": "s"}, Logsource(product="windows", service="security"))]
    before = plan._STEPS
    plan._STEPS = (1, 2)
    try:
        assert [place for place, _ in Scanner(rules).suspects([text] * 3)] in ([], [0])
    finally:
        plan._STEPS = before


@pytest.mark.parametrize("text", [b"", b"<13>1 a line", b'{"cut":"off', b"[1]", b'{"__CURSOR":"x"}', b'{"at":1}'])
def test_what_is_no_record_or_not_one_alone_is_left_to_its_reader(text: bytes) -> None:
    sieve = Scanner([made({"s": {"Image": "a"}, "condition": "s"}, WINDOWS[0])], None, ASIDE)
    assert list(sieve.suspects([text])) == [(0, None)]


def test_a_record_of_many_kinds_takes_its_time_only() -> None:
    """Channels and numbers that are made up for each record make no plan for each."""
    rules = [made({"s": {"EventID": [*range(50)]}, "condition": "s"}, WINDOWS[1])]
    sieve = Scanner(rules)
    texts = [b'{"EventID":%d,"Channel":"made up %d"}' % (number + 100, number) for number in range(20_000)]
    assert not [among for _, among in sieve.suspects(texts) if among]
    assert len(sieve._plans) < 10
