"""Every event once: what makes two records the same event, and what keeps two events apart."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search
from sekisho.telemetry.workers import Workers

ZONE = ZoneInfo("Asia/Tokyo")


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "events")


def take(store: EmbeddedStore, *paths: Path) -> Total:
    with store.writing() as writer:
        return ingest(paths, writer, ZONE, lambda _: None, Workers(0))


def write(path: Path, lines: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def plain(count: int, *, day: str = "2026-11-24") -> list[bytes]:
    """Lines without an identity of their own; every third one is the same as the one before."""
    return [
        b'{"@timestamp":"%sT00:00:%02dZ","Message":"line %d"}' % (day.encode(), n // 3 % 60, n // 3)
        for n in range(count)
    ]


def test_identical_lines_are_several_events(store: EmbeddedStore, tmp_path: Path) -> None:
    assert take(store, write(tmp_path / "one.json", plain(900))) == Total(900, 0, 0)
    assert store.count(Search()) == 900


def test_the_same_file_again_renamed_and_packed_brings_nothing_new(store: EmbeddedStore, tmp_path: Path) -> None:
    first = write(tmp_path / "one.json", plain(900))
    take(store, first)
    renamed, packed = tmp_path / "renamed.json", tmp_path / "packed.gz"
    shutil.copy(first, renamed)
    packed.write_bytes(gzip.compress(first.read_bytes()))
    assert take(store, first) == take(store, renamed) == take(store, packed) == Total(0, 900, 0)
    assert store.count(Search()) == 900


@pytest.mark.parametrize("before", [1, 3, 400], ids=["one line", "less than its fingerprint", "more than it"])
def test_a_file_that_has_grown_brings_only_what_is_new(store: EmbeddedStore, tmp_path: Path, before: int) -> None:
    lines, path = plain(900), tmp_path / "grows.json"
    assert take(store, write(path, lines[:before])) == Total(before, 0, 0)
    assert take(store, write(path, lines)) == Total(900 - before, before, 0)
    assert take(store, write(path, lines)) == Total(0, 900, 0)


def test_a_rotated_file_is_another_one(store: EmbeddedStore, tmp_path: Path) -> None:
    path = write(tmp_path / "app.log", plain(300))
    take(store, path)
    path.rename(tmp_path / "app.log.1")
    write(path, plain(300, day="2026-11-25"))  # the inode may be the old one's; nobody asks for it
    assert take(store, path, tmp_path / "app.log.1") == Total(300, 300, 0)


def test_a_file_that_was_cut_off_and_written_anew_loses_nothing(store: EmbeddedStore, tmp_path: Path) -> None:
    head = plain(90)  # the same beginning, longer than the fingerprint
    path = write(tmp_path / "app.log", [*head, *plain(30, day="2026-11-25")])
    take(store, path)
    write(path, [*head, *plain(30, day="2026-11-26")])
    assert take(store, path) == Total(30, 90, 0)


def windows(number: int, time: str, *, computer: str = "PC-0001", text: str = "") -> bytes:
    log = {"computer_name": computer, "channel": "Security", "record_id": number, "event_id": 4624}
    return orjson.dumps({"@timestamp": time, "winlog": log, "message": text})


def test_a_windows_record_is_one_event_in_whatever_file_it_comes(store: EmbeddedStore, tmp_path: Path) -> None:
    some = [windows(n, f"2026-11-24T00:00:{n:02d}.000Z") for n in range(50)]
    assert take(store, write(tmp_path / "a.json", some)) == Total(50, 0, 0)
    assert take(store, write(tmp_path / "b.json", [some[7], *reversed(some), some[7]])) == Total(0, 52, 0)
    assert (
        take(store, write(tmp_path / "c.json", [windows(3, "2026-11-24T00:00:03.000Z", computer="PC-0002")])).new == 1
    )


def test_a_cleared_windows_log_starts_its_numbers_anew(store: EmbeddedStore, tmp_path: Path) -> None:
    before = [windows(n, f"2026-11-24T00:00:{n:02d}.000Z") for n in range(1, 20)]
    after = [windows(n, f"2026-11-24T09:00:{n:02d}.000Z") for n in range(1, 20)]
    assert take(store, write(tmp_path / "a.json", [*before, *after])) == Total(38, 0, 0)


@pytest.mark.parametrize(
    "odd",
    [
        {"winlog": {"computer_name": "PC", "channel": "Security", "record_id": None}},
        {"winlog": {"computer_name": ["PC"], "channel": {}, "record_id": True}, "@timestamp": 5},
        {"winlog": "text"},
        {"Event": {"System": [1, 2]}},
        {"Event": {"System": {"Computer": "PC", "Channel": "X", "EventRecordID": {"a": 1}}}},
        {"RecordNumber": 5},
        {"__CURSOR": 7},
    ],
)
def test_half_an_identity_is_none(store: EmbeddedStore, tmp_path: Path, odd: dict[str, object]) -> None:
    line = orjson.dumps(odd)
    assert take(store, write(tmp_path / "odd.json", [line, line])) == Total(2, 0, 0)


def test_the_day_is_the_event_s_own(store: EmbeddedStore, tmp_path: Path) -> None:
    times = [
        "2026-11-24T23:59:59.999Z",
        "2026-11-25T08:59:59+09:00",
        "1970-01-01T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "no",
    ]
    take(store, write(tmp_path / "a.json", [orjson.dumps({"@timestamp": time}) for time in times]))
    assert {part.partition: part.rows for part in store.manifest().parts} == {"2026-11-24": 2, "undated": 3}


def test_what_is_no_record_is_counted_and_kept_with_its_reason(store: EmbeddedStore, tmp_path: Path) -> None:
    bad = [b"{", b"[1]", b'"text"', b"\xff\xfe", b"{}" * 3, b"[" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000]
    path = write(tmp_path / "bad.json", [b'{"a":1}', *bad, b'{"b":2}'])
    assert take(store, path) == Total(2, 0, len(bad))
    assert take(store, path) == Total(0, 2 + len(bad), 0)
    assert sum(part.rows for part in store.manifest().rejects) == len(bad)
