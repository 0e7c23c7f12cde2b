"""A file is read by several at once, in stretches: what comes of it is what one reader makes of it."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.telemetry import identity, stream, stretches
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.embedded.writer import Writer
from sekisho.telemetry.event import Event
from sekisho.telemetry.formats import json_lines
from sekisho.telemetry.ingest import Progress, Total, ingest
from sekisho.telemetry.query import Search
from sekisho.telemetry.stream import Block, Broken, Chunks, Line
from sekisho.telemetry.workers import Workers

ZONE = ZoneInfo("Asia/Tokyo")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of a few lines; the workers are forked and have it so, too."""
    monkeypatch.setattr(stretches, "_SMALLEST", 2000)
    monkeypatch.setattr(Writer, "largest", 9000)
    monkeypatch.setattr(stretches, "_AT_ONCE", 700)


def take(store: EmbeddedStore, *paths: Path, count: int) -> tuple[Total, list[Progress]]:
    told: list[Progress] = []
    with Workers(count) as workers, store.writing() as writer:
        return ingest(paths, writer, ZONE, told.append, workers), told


def found(store: EmbeddedStore) -> list[Event]:
    return list(store.search(Search()))


def lines(blocks: list[Block | Broken]) -> list[Line | Broken]:
    return [line for one in blocks for line in ([one] if isinstance(one, Broken) else stream.lines(one))]


TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"x" * 30, b"\x00\xff"]), max_size=90).map(b"".join)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(TEXT, st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(0, 40))
def test_stretches_have_every_line_where_the_stream_has_it(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, least: int, at_once: int, look: int, near: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "text"
    path.write_bytes(data)
    wanted = lines(list(stream.blocks(Chunks(io.BytesIO(data)))))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_SMALLEST", least), ("_AT_ONCE", at_once), ("_LOOK", look), ("_NEAR", near)):
            patch.setattr(stretches, name, value)
        for name in ("HEAD", "_CHUNK"):
            patch.setattr(stream, name, at_once)
        for source in stream.sources(path):
            some = list(stretches.of(source, Chunks(source.file), 70))
            assert lines([block for one in some for block in one.blocks()]) == wanted
            assert [one.offset for one in some[1:]] == [one.reached for one in some[:-1]]
            assert not data or some[-1].reached == len(data)


def test_a_file_that_is_renamed_and_removed_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b'{"a":1}\n')
    for source in stream.sources(path):
        [stretch] = stretches.of(source, Chunks(source.file), 1000)
        path.rename(tmp_path / "app.log.1")
        path.write_bytes(b'{"b":2}\n')
        assert lines(list(stretch.blocks())) == [Line(0, b'{"a":1}')]
        (tmp_path / "app.log.1").unlink()
        assert lines(list(stretch.blocks())) == [Line(0, b'{"a":1}')]


def mixed(count: int) -> list[bytes]:
    """Records of three formats, of equal lines too, and lines that are none."""
    some = []
    for number in range(count):
        at = f"2026-11-24T{number // 60 % 24:02d}:{number % 60:02d}:00.000Z"
        record = {
            "Hostname": "PC",
            "Channel": "Security",
            "RecordNumber": number % 900,
            "EventTime": "2026-11-24T00:00",
        }
        some += [
            orjson.dumps({"@timestamp": at, "Hostname": f"pc-{number % 7}", "CommandLine": f"cmd {number % 11}"}),
            orjson.dumps({"@timestamp": "2026-11-24T00:00:00Z", **record}),
            b"<38>Nov  4 11:00:00 pc sshd: hi",
            b"node=h type=PATH msg=audit(1604994496.155:%d): item=0" % (number // 40),
            b"{ no record",
        ]
    return some


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("audit", [True, False])
def test_several_workers_make_the_same_events_as_one(tmp_path: Path, audit: bool) -> None:
    path = tmp_path / "mixed.log"
    path.write_bytes(b"\n".join(line for line in mixed(1200) if audit or b"msg=audit" not in line))
    one, two = EmbeddedStore(tmp_path / "one"), EmbeddedStore(tmp_path / "two")
    alone, told = take(one, path, count=0)
    together, _ = take(two, path, count=2)
    assert alone == together
    assert alone.rejected == 1200
    assert len(told) > 10
    events = found(one)
    assert events == found(two)
    assert len(events) == alone.new == 1200 * (3 if audit else 2) + 900
    assert take(two, path, count=2)[0] == Total(0, alone.new + alone.known + alone.rejected, 0)


@pytest.mark.usefixtures("small")
def test_progress_is_told_over_all_files_as_they_lie_on_the_disk(tmp_path: Path) -> None:
    data = b"\n".join(mixed(800))
    plain, packed, archive = tmp_path / "plain", tmp_path / "packed.gz", tmp_path / "archive.zip"
    plain.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("one", data)
        made.writestr("two", data[: len(data) // 2])
    sizes = [path.stat().st_size for path in (plain, packed, archive)]
    _, told = take(EmbeddedStore(tmp_path / "events"), plain, packed, archive, count=2)
    reached = [one.octets for one in told]
    assert reached == sorted(reached)
    assert sizes[0] in reached
    assert sizes[0] + sizes[1] in reached
    assert sum(sizes) * 0.9 < reached[-1] <= sum(sizes)  # behind the last member a zip has its directory


def test_ids_stay_what_they_are() -> None:
    """They are in the stores of those who have one: another id would bring every event a second time."""
    assert identity.of_own(("windows", "pc", "Security", "5", "1")).hex() == "98736a17bf8b0cb8698f30466e0e8433"
    assert identity.of_place(bytes(16), 7, b'{"a":1}').hex() == "e5080459535a5c7565bbb99b6e9015eb"
    assert identity.fingerprint(b"head").hex() == "2b8993f8b296dd94767dd73b82fe956c"


@pytest.mark.parametrize(
    ("text", "zone", "wanted"),
    [
        ("2026-11-24T12:34:56.789Z", UTC, 1795523696789000),
        ("2026-11-24T12:34:56.789", UTC, 1795523696789000),
        ("2026-11-24T21:34:56.789", ZONE, 1795523696789000),
        ("2026-11-24 21:34:56+09:00", UTC, 1795523696000000),
        ("1969-12-31T23:59:59.999999Z", UTC, -1),
        ("9999-12-31T23:59:59.999999Z", UTC, 253402300799999999),
        ("0001-01-01T00:00:00", UTC, -62135596800000000),
        ("24.11.2026", UTC, None),
    ],
)
def test_a_time_is_exact_to_the_microsecond(text: str, zone: ZoneInfo, wanted: int | None) -> None:
    assert json_lines.moment(text, zone) == wanted
