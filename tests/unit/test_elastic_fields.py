"""A source's fields, as Elasticsearch gets them: the shorter way for records of one level is the longer way's equal."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from sekisho.telemetry.elastic.fields import ALL, Flat

NAMES = st.sampled_from(["a", "b", "a.b", "@timestamp", "event.id", "_id", "", " ", "x" * 513, "-0", "もの", '"'])
SIMPLE = st.one_of(
    st.sampled_from(["", "-0", "\0", '":', " :", '" :"']), st.text(max_size=4), st.booleans(), st.integers(-9, 9)
)
VALUES = st.one_of(SIMPLE, SIMPLE, st.none(), st.floats(allow_nan=False, allow_infinity=False), st.lists(SIMPLE))


def flat(source: bytes) -> tuple[dict[str, Any], set[str]]:
    found = Flat(orjson.loads(source), source)
    return found.values, found.apart


@given(st.dictionaries(NAMES, VALUES, max_size=6))
@example({"@timestamp": "-0", "a": 0})
@example({"_id": 1})
def test_both_ways_find_the_same(record: dict[str, Any]) -> None:
    source = orjson.dumps(record)
    # A field that says nothing changes nothing, but the record is none of simple values only.
    longer = orjson.dumps({**record, "none": None})
    assert flat(source) == flat(longer)


def test_a_name_that_stands_twice_is_told_apart() -> None:
    for source in (b'{"a":1,"a":2}', b'{"a" :1,"a":2}', b'{"a":"\\":","a":2}', b'{"a":1,"\\u0061":2}'):
        assert ALL in flat(source)[1], source
    for source in (b'{"a":1,"b":2}', b'{"a" :1,"b":"\\":"}'):
        assert flat(source)[1] == set(), source
