"""The shorter way for records of one level gives what the longer way gives, whatever stands in the records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekisho.telemetry import ecs, reading, shape, spooled
from sekisho.telemetry.formats import journal, json_lines, process, spool, ulogd
from sekisho.telemetry.reading import Clock, Memory, Origin, Piece
from sekisho.telemetry.stream import Block

CLOCK = Clock(ZoneInfo("Asia/Tokyo"), datetime(2026, 11, 24, tzinfo=UTC))
ORIGIN = Origin("a.json", bytes(16))
TIMES = ["2026-11-24T01:02:03.004Z", " 2026-11-24 01:02:03 ", "2026-11-24T01:02:03+09:00", "9999-12-31T23:59:59-12:00"]
KEYS = [
    *(name for name, _ in json_lines.TIMES),
    *("Hostname", "Channel", "RecordNumber", "EventID", "SourceName"),
    *("User", "SubjectUserName", "TargetUserName", "ProcessId", "NewProcessId", "Image", "Application", "CommandLine"),
    *("SourceIp", "IpAddress", "DestAddress", "Message", "host", "もの"),
]
OTHERS = ["winlog", "Event", "msg", "program", journal.MARK, process.DERIVED, ulogd.MARK]
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["", "-", "PC-0001", "Security", "audit(1604994496.155:92733)", *TIMES]),
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.sampled_from(["event_data", "System", "channel", "a"]), st.text(max_size=3), max_size=2),
)
RECORDS = st.dictionaries(st.sampled_from([*KEYS, *KEYS, *OTHERS]), VALUES, max_size=12)


@given(records=st.lists(RECORDS, max_size=6), junk=st.sampled_from([b"", b"{", b"[]", b'{"at":1}', b"\r", b"\xff"]))
@example(records=[{"UtcTime": TIMES[0], "Image": "-", "NewProcessName": "a", "ProcessId": 4, "User": True}], junk=b"")
@example(records=[dict.fromkeys(("Hostname", "Channel", "EventTime"), TIMES[0]) | {"RecordNumber": 7}], junk=b"")
def test_both_ways_give_the_same_events(records: list[dict[str, Any]], junk: bytes) -> None:
    block = Block(5, b"\n".join([*map(orjson.dumps, records), junk, *map(orjson.dumps, records)]))
    longer = reading.known(reading.in_block(block, Memory(), CLOCK), ORIGIN)
    assert reading.of_block(block, Memory(), CLOCK, ORIGIN) == longer


LEVELS = st.one_of(
    RECORDS,
    RECORDS.map(lambda record: {"winlog": record, "@timestamp": TIMES[0]}),
    RECORDS.map(lambda record: {"Event": {"System": record, "EventData": record}}),
)


@given(
    records=st.lists(LEVELS, max_size=4),
    before=st.sampled_from(["", "", " ", "<13>1 - - - - - - ", '<13>1 - - - - - [place@32473 file="/a" offset="7"] ']),
    via=st.sampled_from(["relp", "lumberjack"]),
)
def test_what_was_sent_gives_the_same_events_both_ways(records: list[dict[str, Any]], before: str, via: str) -> None:
    raws = [f"{before}{orjson.dumps(record).decode()}" for record in records]
    lines = [orjson.dumps({"at": 5, "peer": "PC-0001", "via": via, "raw": raw}) for raw in raws]
    memory, longer = Memory(), list[Piece]()
    for number, line in enumerate(lines, start=1):
        sent = spool.read(line)
        assert sent
        longer += reading.of_sent(sent, memory, CLOCK.zone, number)
    assert spooled.read(lines, CLOCK.zone)[:2] == reading.known(longer, ORIGIN)


@pytest.mark.parametrize("key", OTHERS)
def test_what_may_be_of_another_source_takes_the_longer_way(key: str) -> None:
    assert shape.of(("Hostname", "Channel")) is not None
    assert shape.of(("Hostname", key)) is None


def test_every_mark_that_ecs_goes_by_is_known() -> None:
    assert set(OTHERS) == {*json_lines.LEVELS, *ecs.MARKS}
