"""A first answer by a few fields of a record is never another than that by all of them, and mostly there is one."""

from __future__ import annotations

import contextlib
import platform
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpora import checked, corpora, recorded
from sekisho.detection.matching import glimpse
from sekisho.detection.matching.engine import Engine
from sekisho.detection.matching.glimpse import Glimpse
from sekisho.detection.records.record import Record
from sekisho.detection.rules.rule import Logsource, Ruleset
from sekisho.detection.scan.scanner import Scanner
from test_reference import EVENTS, RULES, TEXTS, VALUES
from test_scan import LINES, WINDOWS, made, read, spelled

AUDIT = Logsource(product="windows", category="process_creation")
FLAT = b'{"EventID":4688,"Channel":"Security","NewProcessName":"C:\\\\a.exe","SourceName":"p","Level":3}'
INNER = (
    b'{"winlog":{"channel":"Security","event_id":"4688","provider_name":"p","computer_name":"c",'
    b'"event_data":{"NewProcessName":"C:\\\\a.exe","n":1}},"message":"m"}'
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "_OFTEN", 0)


def asked(detections: list[tuple[dict[str, Any], Logsource]], text: bytes) -> tuple[bool, bool]:
    """Whether it says that nothing matches, once it may say something, and whether nothing does."""
    rules = [made(detection, source) for detection, source in detections]
    engine, among = Engine(Ruleset(tuple(rules))), tuple(range(len(rules)))
    looks = Glimpse(engine)
    assert not looks.nothing(text, among), "the first time, a decoder is made"
    said = looks.nothing(text, among)
    assert said is looks.nothing(memoryview(text), among)
    return said, not list(engine.hits(Record(orjson.loads(text)), among))


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(RULES, st.sampled_from(WINDOWS)), min_size=1, max_size=4),
    st.lists(st.one_of(EVENTS, LINES), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_generated(
    detections: list[tuple[dict[str, Any], Logsource]], events: list[dict[str, Any]], how: random.Random
) -> None:
    for text in [spelled(how, event) for event in events]:
        if isinstance(read(text), dict):
            said, nothing = asked(detections, text)
            assert nothing or not said, text


# Names that belong together: what stands in several places, or is called otherwise in one of them.
NAMES = (
    ["Data", "param1", "param2", "Message", "a.b"],
    ["EventID", "event_id", "Channel", "channel", "Level", "level"],
    ["event_data", "user_data", "winlog", "Event", "Data", "Level"],
    ["Provider_Name", "SourceName", "provider_name", "Computer", "Hostname", "computer_name"],
)
SIMPLE = st.one_of(TEXTS, TEXTS, TEXTS, st.none(), st.booleans(), st.integers(-2, 30))


def records(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.dictionaries(st.sampled_from(names), st.one_of(*[SIMPLE] * 9, VALUES), min_size=2)
    inner = st.builds(
        lambda own, data, more: {**own, "channel": "a", "event_id": 1, "event_data": data, **more},
        some,
        some,
        st.one_of(st.just({}), st.just({}), some.map(lambda data: {"user_data": data})),
    )
    return st.one_of(
        some.map(lambda own: {"EventID": 1, "Channel": "Security", **own}),
        st.builds(lambda own, winlog: {**own, "winlog": winlog}, some, inner),
    )


@settings(max_examples=2_000, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(NAMES).flatmap(
        lambda names: st.tuples(records(names), st.sets(st.sampled_from(names), min_size=2, max_size=3))
    ),
    st.randoms(use_true_random=False),
)
def test_what_a_part_tells_of_a_field_is_what_the_whole_tells(
    some: tuple[dict[str, Any], set[str]], how: random.Random
) -> None:
    event, fields = some
    text = spelled(how, event)
    if not isinstance(whole := read(text), dict):
        return
    try:
        part = glimpse._Part(msgspec.json.Decoder(glimpse._type(fields)).decode(text))
    except msgspec.DecodeError:
        return
    record = Record(whole)
    if "winlog" in whole or {"EventID", "Channel"} <= whole.keys():
        assert part.origin == record.origin
    for field in fields:
        with contextlib.suppress(glimpse._Untold):
            assert (part.values(field), part.folded(field)) == (record.values(field), record.folded(field)), field


@corpora
@pytest.mark.skipif(platform.machine() != "x86_64", reason="there is no Hyperscan for this machine")
def test_all_rules_on_what_was_recorded(sigmahq: Ruleset) -> None:
    engine, scanner = Engine(sigmahq), Scanner(sigmahq.rules)
    looks, suspected, answered, hit = Glimpse(engine), 0, 0, 0
    for event in _events():
        for text in (orjson.dumps(event), orjson.dumps(_as_winlogbeat(event))):
            for _, among in scanner.suspects([text]):
                assert among is not None
                suspected += 1
                said = looks.nothing(text, among)
                hits = list(engine.hits(Record(orjson.loads(text)), among))
                assert not (said and hits), text
                answered += said
                hit += bool(hits)
    assert hit > 100
    assert answered > (suspected - hit) / 2


def _events() -> Iterator[dict[str, Any]]:
    yield from checked()
    for _ in range(2):  # what is seen once is not worth a decoder
        yield from recorded(every=29)


def _as_winlogbeat(event: dict[str, Any]) -> dict[str, Any]:
    """A record of one level as Winlogbeat ships it; others as they are."""
    if not {"EventID", "Channel", "SourceName"} <= event.keys():
        return event
    own = {"event_id": event["EventID"], "channel": event["Channel"], "provider_name": event["SourceName"]}
    data = {key: one for key, one in event.items() if key not in {"EventID", "Channel", "SourceName", "@timestamp"}}
    return {"@timestamp": event.get("@timestamp"), "agent": {"name": "x"}, "winlog": {**own, "event_data": data}}


@pytest.mark.parametrize("text", [FLAT, INNER])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Image|endswith": "\\b.exe"}, True),  # called otherwise in this event
        ({"Image|endswith": "\\a.exe"}, False),  # which matches
        ({"Image|endswith": "\\b.exe", "ParentImage": "x"}, True),  # not there, but it is not asked for any more
        ({"ParentImage": "x", "Image|endswith": "\\b.exe"}, False),  # not there by this name: only the whole can tell
        ({"Provider_Name": "q"}, True),
        ({"EventID": 4689}, True),
        ({"Channel": "System"}, True),
    ],
)
def test_what_suffices(text: bytes, fields: dict[str, Any], said: bool) -> None:
    answer, nothing = asked([({"s": fields, "condition": "s"}, AUDIT)], text)
    assert answer is said
    assert nothing or not answer


@pytest.mark.parametrize(
    "text",
    [
        FLAT.replace(b'"C:\\\\a.exe"', b"[1]"),
        FLAT.replace(b'"C:\\\\a.exe"', b"1.0"),
        FLAT.replace(b'"C:\\\\a.exe"', b"18446744073709551616"),
        FLAT.replace(b'"Level"', b'"Event"'),
        FLAT.replace(b'"Level":3', b'"winlog":[]'),
        FLAT.replace(b'"EventID":4688,', b""),
        FLAT.replace(b"4688", b"4688.0"),
        INNER.replace(b'"n":1}', b'"n":1},"user_data":{"a":{"NewProcessName":"b"}}'),
        INNER.replace(b'"C:\\\\a.exe"', b'{"#text":"a"}'),
        INNER[:-1],
        b"{}",
    ],
)
def test_what_does_not(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "_OFTEN", 1)
    monkeypatch.setattr(glimpse, "_IN_VAIN", 1)
    rule = made({"s": {"Image|endswith": "\\b.exe"}, "condition": "s"}, AUDIT)
    looks = Glimpse(Engine(Ruleset((rule,))))
    assert not any([looks.nothing(FLAT, (0,)), looks.nothing(FLAT, (0,))]), "a decoder is made"
    assert not looks.nothing(text, (0,))
    assert looks.nothing(FLAT, (0,))


def test_unnamed_values_are_one_field_together() -> None:
    text = INNER.replace(b'"n":1', b'"param1":"a","param2":"b"')
    detections = [({"s": fields, "condition": "s"}, WINDOWS[0]) for fields in ({"param1": "x"}, {"Data": "b"})]
    assert asked(detections, text) == (False, False)
    assert asked(detections[:1], text) == (False, True)
    assert asked(detections[:1], FLAT.replace(b'"Level"', b'"param1"')) == (True, True)


@pytest.mark.parametrize("name", ["event_data", "user_data", "winlog"])
def test_a_map_that_was_decoded_in_part_is_never_a_value(name: str) -> None:
    text = b'{"winlog":{"channel":"Security","event_id":1,"event_data":{"x":"hidden"}}}'
    assert not asked([({"s": {name + "|contains": "hidden"}, "condition": "s"}, WINDOWS[1])], text)[0]


def test_keywords_are_for_the_whole_record() -> None:
    said, nothing = asked([({"s": ["elsewhere"], "condition": "s"}, WINDOWS[0])], FLAT)
    assert nothing
    assert not said


def test_what_is_in_vain_is_given_up_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "_PAUSE", 20)
    monkeypatch.setattr(glimpse, "_IN_VAIN", 0)
    looks = Glimpse(Engine(Ruleset((made({"s": {"Image|endswith": "\\a.exe"}, "condition": "s"}, AUDIT),))))
    other = FLAT.replace(b"a.exe", b"b.exe")
    looks.nothing(other, (0,))
    assert looks.nothing(other, (0,))
    assert not looks.nothing(FLAT, (0,))
    assert not looks.nothing(other, (0,)), "given up"
    told = [looks.nothing(other, (0,)) for _ in range(40)]
    assert not any(told[:19])
    assert all(told[21:])
