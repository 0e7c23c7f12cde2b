"""What tells the kind of a record, and how it may be written: nothing is overlooked, and what is left out is JSON."""

from __future__ import annotations

import json
import platform
import random
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.detection.detect import ASIDE
from sekisho.detection.records import shapes
from sekisho.detection.records.record import Family, Origin, Record
from sekisho.detection.scan.scanner import Scanner
from test_reference import EVENTS
from test_scan import LINES, WINDOWS, differences, made, read, spelled

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="there is no Hyperscan for this machine")
EMOJI = {"s": {"CommandLine|contains": ["\U0001f600", "\u0434\u041e"]}}


@pytest.fixture(scope="module")
def sieve() -> Scanner:
    """A scanner that knows what to look for in the events of these tests, which is in none of them."""
    found = Scanner([made({"s": {"Image": "never to be seen"}, "condition": "s"}, WINDOWS[0])], None, ASIDE)
    known = [b'{"EventID":1,"Channel":"Security"}', b'{ "EventID" : 1, "Channel" : "Security" , "a" : {} }']
    for text in (*known, b'{"Event":{"System":{"EventID":1,"Channel":"Security"}}}', b"{}"):
        list(found.suspects([text] * 300))
        assert not list(found.suspects([text] * 300))
    return found


@pytest.mark.parametrize("first", [b"", b'"EventID":true,', b'"winlog":1,'])
def test_what_is_too_deep_is_left_to_its_reader(sieve: Scanner, first: bytes) -> None:
    text = b"{" + first + b'"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert list(sieve.suspects([text])) == [(0, None)]


@settings(max_examples=500)
@given(st.one_of(EVENTS, LINES), st.randoms(use_true_random=False), st.integers(0, 1000), st.binary(max_size=3))
def test_what_is_left_out_is_json(
    sieve: Scanner, event: dict[str, Any], how: random.Random, at: int, other: bytes
) -> None:
    text = spelled(how, event)
    at %= len(text)
    texts = [text[:at] + other + text[at:], text[:at] + other + text[at + 1 :], text[:at] + other]
    # msgspec takes a number that no double can hold, such as 1e999, for one.
    texts = [text for text in texts if not re.search(rb"[eE][+]?[0-9]{3}", text)]
    told = {place for place, _ in sieve.suspects(texts)}
    assert all(isinstance(read(text), dict) for place, text in enumerate(texts) if place not in told)


@pytest.mark.parametrize(
    ("detection", "fields"),
    [
        (EMOJI, {"CommandLine": "a \U0001f600"}),
        (EMOJI, {"CommandLine": "a \u0414\u043e"}),
        ({"s": {"Image|endswith": "\u00e5.exe"}}, {"Image": "\u212b.EXE"}),  # the Angstrom sign is folded to it
        ({"s": {"Image|endswith": "\u03c3.exe"}}, {"Image": "\u03c2.exe"}),
        ({"s": {"Image|re": "C:\\\\postex_[0-9]+"}}, {"Image": "C:\\postex_1"}),
    ],
)
def test_letters_beyond_ascii_are_looked_for_in_every_case(detection: dict[str, Any], fields: dict[str, str]) -> None:
    texts = [
        how(event)
        for how in (orjson.dumps, lambda event: json.dumps(event).encode())
        for event in (
            {"EventID": 1, "Channel": "Security", **fields},
            {"winlog": {"event_id": 1, "channel": "Security", "event_data": fields}},
        )
    ]
    rules = [made({**detection, "condition": "s"}, WINDOWS[1])]
    assert not differences(rules, texts * 80)
    assert {among for _, among in Scanner(rules).suspects(texts)} == {(0,)}
    nothing = [orjson.dumps({"EventID": 1, "Channel": "Security", "Image": "a"})] * 300
    assert len(list(Scanner(rules).suspects([*nothing, *nothing]))) == 0


def test_a_letter_that_becomes_two_is_found() -> None:
    rules = [made({"s": {"Image|contains": "i\u0307"}, "condition": "s"}, WINDOWS[1])]
    assert not differences(rules, ['{"EventID":1,"Channel":"Security","Image":"\u0130"}'.encode()] * 300)


@pytest.mark.parametrize(
    "event",
    [
        {"EventID": 1, "Channel": "System", "winlog": {"channel": "Security", "event_data": {"Image": "aB"}}},
        {"winlog": {"channel": "Security", "event_id": 9, "event_data": {"EventID": 1, "Image": "aB"}}},
        {"winlog": {"channel": "Security", "event_id": 9, "user_data": {"a": {"EventID": 1, "Image": "aB"}}}},
        {"winlog": {"channel": "Security", "EventID": 1, "Image": "aB"}},
        {"EventID": 9, "Channel": "System", "Event": {"System": {"Channel": "Security", "EventID": 1}, "Image": "aB"}},
        {"EventID": "1", "Channel": "Security", "Image": "aB"},
        {"EventID": 1.0, "Channel": "Security", "Image": "aB"},
        {"EventID": True, "Channel": "Security", "Image": "aB"},
        {"EventID": [1], "Channel": "Security", "Image": "aB"},
    ],
)
def test_the_kind_is_told_by_the_fields_that_tell_it(event: dict[str, Any]) -> None:
    rules = [
        made({"s": some, "condition": "s"}, source)
        for some in ({"EventID": 1}, {"Image|contains": "ab"}, {"EventID": 1, "Image": "ab"})
        for source in WINDOWS
    ]
    assert not differences(rules, [orjson.dumps(event), json.dumps(event).encode()] * 300)


def test_what_a_source_makes_as_long_as_it_likes_is_not_remembered() -> None:
    known = {"Channel": "c", "SourceName": "p", "EventID": "7"}
    assert Record(known).origin == Record(known).origin == Origin(Family.WINDOWS, "c", "p", 7)
    assert ("c", "p", "7", str) in shapes._origins
    for name in known:
        assert Record({**known, name: "x" * 1_000_000}).origin.family is Family.WINDOWS
    assert max(len(one) for key in shapes._origins for one in key if isinstance(one, str)) < 1_000
