"""The collector's spool: who sent what, each thing once, wherever reading begins again."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Event, moment
from sekisho.telemetry.formats.joined import AGE
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search, Term
from sekisho.telemetry.spooled import Reader, read
from sekisho.telemetry.store import Added
from sekisho.telemetry.workers import Workers

JAPAN = ZoneInfo("Asia/Tokyo")
AT = int(datetime(2026, 11, 24, 2, tzinfo=UTC).timestamp()) * 1_000_000
FILE = "/var/spool/sekisho/00000000000000000001.ndjson"


def spooled(raw: str | bytes, *, at: int = AT, peer: str = "pc-0001", via: str = "relp") -> bytes:
    """A line as the collector writes it."""
    if isinstance(raw, bytes):
        return orjson.dumps({"at": at, "peer": peer, "via": via, "raw64": base64.b64encode(raw).decode()}) + b"\n"
    return orjson.dumps({"at": at, "peer": peer, "via": via, "raw": raw}) + b"\n"


def frame(line: str, offset: int = 0, *, file: str = FILE, host: str = "pc-0001", sent: str = "02:00:00") -> str:
    """What rsyslog sends of a line of a file."""
    return f'<13>1 2026-11-24T{sent}Z {host} sekisho - - [place@32473 file="{file}" offset="{offset}"] {line}'


def of(*lines: bytes) -> list[Event]:
    events, rejects, _ = read(lines, JAPAN)
    assert not rejects
    return events


def ids(events: Iterable[Event]) -> list[bytes]:
    return [event.id for event in events]


# Who it is


JOURNAL = orjson.dumps(
    {"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1795489200000000", "_HOSTNAME": "pc-0001", "MESSAGE": "hello"}
).decode()


def test_a_record_of_the_journal_is_known_by_its_cursor_and_keeps_who_sent_it() -> None:
    [event] = of(spooled(frame(JOURNAL)))
    assert (event.time, event.arrived, event.source) == (1795489200000000, AT, JOURNAL.encode())
    assert (event.file, event.offset) == (f"pc-0001:{FILE}", 0)
    assert (event.ecs.host__name, event.ecs.agent__name) == ("pc-0001", "pc-0001")
    [again] = of(spooled(frame(JOURNAL, 700, file="/other"), at=AT + 5))
    assert again.id == event.id


def test_a_terminal_that_lies_about_its_name_is_seen_through() -> None:
    line = JOURNAL.replace("pc-0001", "pc-0009")
    [event] = of(spooled(frame(line, host="pc-0009"), peer="pc-0002"))
    assert (event.ecs.host__name, event.ecs.agent__name) == ("pc-0009", "pc-0002")


LINES = [
    "Nov 24 11:00:00 pc-0001 smbclient[7]: opened",
    'type=CWD msg=audit(1604994496.155:92733): cwd="/home"',
    '{"a":1}',
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_known_by_where_it_stood_at_its_source(line: str) -> None:
    [first] = of(spooled(frame(line, 7)))
    [sent_again] = of(spooled(frame(line, 7, sent="09:00:00"), at=AT + 3_600_000_000))
    assert (sent_again.id, sent_again.time) == (first.id, first.time)
    others = [
        spooled(frame(line, 8)),
        spooled(frame(line, 7, file="/other")),
        spooled(frame(line, 7), peer="pc-0002"),
        spooled(frame(f"{line} ", 7)),
    ]
    assert len({first.id, *ids(of(*others))}) == 5  # the file was cut off and written anew; another terminal


def test_octets_that_are_no_text_are_a_line_too() -> None:
    [event] = of(spooled(frame("Nov 24 11:00:00 h p: x").encode() + b"\xff"))
    assert orjson.loads(event.source)["message"] == "x\ufffd"


def test_a_frame_without_a_place_is_known_by_its_record_or_by_all_of_it() -> None:
    bare = "<13>1 2026-11-24T02:00:00.123456Z sw-1 app 9 - - link down"
    [event] = of(spooled(bare))
    assert orjson.loads(event.source)["message"] == "link down"
    later = bare.replace("123456", "123457")
    assert ids(of(spooled(bare, at=AT + 9))) == [event.id]
    assert len({event.id, *ids(of(spooled(later), spooled(bare, peer="pc-0002")))}) == 3
    [record] = of(spooled(f"<13>1 - - - - - - {JOURNAL}"))
    assert [record.id] == ids(of(spooled(frame(JOURNAL))))


def test_a_file_s_name_may_hold_anything() -> None:
    [event] = of(spooled(frame("Nov 24 11:00:00 h p: m", file=r"/a \"b\] \\c")))
    assert event.file == r'pc-0001:/a "b] \c'


def test_winlogbeat_s_events_have_the_id_that_a_file_of_them_gives(tmp_path: Path) -> None:
    beat = orjson.dumps(
        {
            "@timestamp": "2026-11-24T02:00:00.000Z",
            "winlog": {"computer_name": "PC", "channel": "Security", "record_id": 5, "event_id": "4688"},
        }
    )
    [event] = of(spooled(beat.decode(), via="lumberjack", peer="pc-0003"))
    assert (event.source, event.ecs.agent__name, event.ecs.event__code) == (beat, "pc-0003", "4688")
    path, store = tmp_path / "beat.json", EmbeddedStore(tmp_path / "events")
    path.write_bytes(beat)
    with store.writing() as writer:
        ingest([path], writer, JAPAN, lambda _: None, Workers(0))
        assert writer.put([event]).new == 0


# When it was


@pytest.mark.parametrize(
    ("arrived", "line", "time"),
    [
        ("2027-01-01T00:00:05+09:00", "Dec 31 23:59:59 h p: m", "2026-12-31T14:59:59+00:00"),
        ("2026-12-31T23:59:59+09:00", "Jan  1 00:00:01 h p: m", "2026-12-31T15:00:01+00:00"),  # its clock is ahead
        ("2027-01-01T00:00:05+09:00", "Jan  1 00:00:03 h p: m", "2026-12-31T15:00:03+00:00"),  # of 2026 in UTC
        ("2027-01-03T00:00:00+09:00", "Jan  5 00:00:00 h p: m", "2026-01-04T15:00:00+00:00"),
        ("2028-03-05T00:00:00+09:00", "Feb 29 00:00:00 h p: m", "2028-02-28T15:00:00+00:00"),
        ("2020-01-01T00:00:00+09:00", "Nov 24 11:00:00 h p: m", "2019-11-24T02:00:00+00:00"),
    ],
)
def test_a_year_that_a_line_does_not_tell_is_that_of_its_arrival(
    tmp_path: Path, arrived: str, line: str, time: str
) -> None:
    at = int(datetime.fromisoformat(arrived).timestamp()) * 1_000_000
    sent = spooled(frame(line), at=at)
    [event] = of(sent)
    assert event.time is not None
    assert moment(event.time).isoformat() == time
    path, store = tmp_path / "1.ndjson", EmbeddedStore(tmp_path / "events")
    path.write_bytes(sent)
    with store.writing() as writer:
        ingest([path], writer, JAPAN, lambda _: None, Workers(0))
    assert [(one.id, one.time) for one in store.search(Search())] == [(event.id, event.time)]


# Starts of processes


def audit(serial: int, offset: int, *, at: int = AT, peer: str = "pc-0001") -> list[bytes]:
    """The records of a start, sent from an audit log."""
    head = f"msg=audit(1604994496.155:{serial}):"
    records = [
        f'type=SYSCALL {head} arch=c000003e syscall=59 success=yes ppid=1 pid={serial} exe="/bin/p"',
        f'type=EXECVE {head} argc=2 a0="p" a1="{serial}"',
        f'type=CWD {head} cwd="/"',
        f"type=PROCTITLE {head} proctitle=70",
        f"type=EOE {head} ",
    ]
    return [
        spooled(frame(line, offset + number, file="/var/log/audit/audit.log"), at=at, peer=peer)
        for number, line in enumerate(records)
    ]


def starts(events: Iterable[Event]) -> list[bytes]:
    return [event.id for event in events if b"derived_from" in event.source]


def test_records_are_joined_across_batches_and_held_until_they_are() -> None:
    lines = [*audit(1, 0), *audit(2, 10)]
    reader = Reader(JAPAN)
    first = reader.read(lines[:7])
    assert (len(first.events), first.held) == (8, 2)  # seven records and a start; of another two are there
    second = reader.read(lines[7:])
    assert (len(second.events), second.held) == (4, 0)
    [start] = [event for event in second.events if b"derived_from" in event.source]
    assert orjson.loads(start.source)["CommandLine"] == "p 2"
    assert (start.ecs.agent__name, start.arrived, start.offset) == ("pc-0001", AT, 10)


def test_two_terminals_serials_are_not_mixed_up() -> None:
    mixed = [line for pair in zip(audit(1, 0), audit(1, 0, peer="pc-0002"), strict=True) for line in pair]
    assert len(set(starts(of(*mixed)))) == 2


def test_what_was_cut_off_is_told_in_time_and_only_once(tmp_path: Path) -> None:
    lines, reader = audit(1, 0), Reader(JAPAN)
    assert reader.read(lines[:2]).held == 2
    assert reader.settle(AT + AGE - 1) == ([], [], 2)
    settled = reader.settle(AT + AGE)
    assert (len(settled.events), settled.held) == (1, 0)
    late = reader.read(lines[2:])
    assert (starts(late.events), late.held) == ([], 0)
    assert starts(of(*lines)) == starts(settled.events)  # who reads all of it at once, finds the same one


@pytest.mark.parametrize("seed", range(100))
def test_a_reader_that_begins_where_one_was_killed_finds_the_same(seed: int) -> None:
    chance = Random(seed)
    queues = [
        *(audit(n, 10 * n, peer=f"pc-{n % 3}") for n in range(5)),
        [spooled(frame(line, n)) for n, line in enumerate([JOURNAL, *LINES, "no format"] * 2)],
    ]
    turns = [number for number, queue in enumerate(queues) for _ in queue]
    chance.shuffle(turns)
    lines = [queues[number].pop(0) for number in turns]
    whole = read(lines, JAPAN)
    wanted = {event.id: event for event in reversed(whole.events)}  # of equal ids the first counts
    assert whole.held == 0

    stored: dict[bytes, Event] = {}
    aside = set()
    position = taken = 0  # where a new reader would begin; how far this one has read
    reader = Reader(JAPAN)
    while taken < len(lines):
        size = chance.randint(1, 6)
        batch = reader.read(lines[taken : taken + size])
        if chance.random() < 0.3:  # killed before they were stored
            reader, taken = Reader(JAPAN), position
            continue
        for event in batch.events:  # what is there stays as it is
            stored.setdefault(event.id, event)
        aside |= {reject.id for reject in batch.rejects}
        taken = min(taken + size, len(lines))
        assert position <= taken - batch.held
        position = taken - batch.held
        if chance.random() < 0.3:  # and after that
            reader, taken = Reader(JAPAN), position
    assert stored == wanted
    assert aside == {reject.id for reject in whole.rejects}


# In a file


def test_segments_that_are_ingested_have_the_ids_that_shipping_gives(tmp_path: Path) -> None:
    lines = [*audit(1, 0), spooled(frame(JOURNAL)), *(spooled(frame(line, 9)) for line in LINES), spooled("?"), b"{}\n"]
    path, store = tmp_path / "00000000000000000001.ndjson", EmbeddedStore(tmp_path / "events")
    path.write_bytes(b"".join(lines))
    shipped = read(lines[:-1], JAPAN)
    with store.writing() as writer:
        assert ingest([path], writer, JAPAN, lambda _: None, Workers(0)) == Total(11, 0, 1)
        assert writer.put(*shipped[:2]) == Added()
    [start] = store.search(Search([Term("derived_from", "*", negated=False, wild=True)]))
    assert start.ecs.agent__name == "pc-0001"
    assert store.count(Search([Term("agent.name", "pc-0001", negated=False, wild=False)])) == 10


# Hostile input


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b'{"at":1}',
        b'{"at":"1","peer":"p","via":"relp","raw":""}',
        b'{"at":true,"peer":"p","via":"relp","raw":"x"}',
        b'{"at":-1,"peer":"p","via":"relp","raw":"x"}',
        b'{"at":300000000000000000,"peer":"p","via":"relp","raw":"x"}',
        b'{"at":1,"peer":"p","via":"mail","raw":"x"}',
        b'{"at":1,"peer":"p","via":{},"raw":"x"}',
        b'{"at":1,"peer":"p","via":"relp","raw64":"a=b"}',
        b'{"at":1,"peer":"p","via":"relp","raw64":"\xe9"}',
        b'{"at":1,"peer":null,"via":"relp","raw":"x"}',
        spooled("hello"),
        spooled("hello", via="lumberjack"),
        spooled(frame("hello")),
        spooled(frame("")),
        spooled(""),
        spooled(b"\xff"),
        spooled("", at=0),
        spooled("Nov 24 11:00:00 h p: m", at=0),
        spooled("Nov 24 11:00:00 h p: m", at=221_845_391_999_999_999),
    ],
)
def test_a_damaged_line_is_set_aside_or_an_event_and_the_next_is_read(line: bytes) -> None:
    events, rejects, held = read([line, spooled(frame(JOURNAL))], JAPAN)
    assert events[-1].source == JOURNAL.encode()
    assert held == 0
    assert all(reject.why for reject in rejects)
    assert read([line], JAPAN) == (events[:-1], rejects, 0)


RAWS = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60),
    st.text(max_size=40).map(frame),
    st.text(max_size=40).map(lambda text: f"<13>1 - - - - - [place@32473 file={text}"),
    st.sampled_from([*LINES, JOURNAL]).map(frame),
)


@given(st.lists(st.builds(spooled, RAWS, via=st.sampled_from(["relp", "lumberjack"]), at=st.integers(0, 2**61))))
def test_any_line_of_the_spool_is_read(lines: list[bytes]) -> None:
    reader = Reader(JAPAN)
    batch = reader.read(lines)
    rest = reader.settle(2**62)
    assert rest.held == 0
    for event in batch.events:
        assert isinstance(orjson.loads(event.source), dict)
