"""The embedded store survives what happens to a machine."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pyarrow.parquet as pq
import pytest

from sekisho.core.clock import parse, stamp
from sekisho.core.errors import BadInput, Missing
from sekisho.telemetry import query
from sekisho.telemetry.embedded import part, tidy
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Ecs, Event
from sekisho.telemetry.ingest import ingest
from sekisho.telemetry.query import Search
from sekisho.telemetry.workers import Workers

ZONE = ZoneInfo("Asia/Tokyo")
SEKISHO = Path(sys.executable).with_name("sekisho")


def take(store: EmbeddedStore, *paths: Path) -> None:
    with store.writing() as writer:
        ingest(paths, writer, ZONE, lambda _: None, Workers(0))


def serials(store: EmbeddedStore) -> Counter[int]:
    """How often each serial number, which the generator wrote into each event, is in the store."""
    return Counter(json.loads(event.source)["serial"] for event in store.search(Search()))


def generated(path: Path, count: int) -> Path:
    """Events over a change of UTC day, some without a time; the lines differ by their serial number only."""
    with path.open("wb") as file:
        for serial in range(count):
            second = f'"@timestamp":"2026-11-24T{23 if serial < count // 2 else 22}:59:{serial % 60:02d}-01:00",'
            file.write(b'{%s"serial":%d,"text":"%s"}\n' % (second.encode() if serial % 9 else b"", serial, b"x" * 200))
    return path


def kill_at_random(tmp_path: Path, kills: int, seed: int) -> None:
    count = 100_000
    source = generated(tmp_path / "events.json", count)
    state, chance = tmp_path / "state", random.Random(seed)
    words = [SEKISHO, "ingest", source, "--state", state]
    begun = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    usual, fell = time.monotonic() - begun, 0
    subprocess.run(["rm", "-r", state], check=True)
    while fell < kills:
        run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # From where Python has started to beyond the end, however fast this machine is: some fall between a part and
        # the manifest.
        time.sleep(usual * chance.uniform(0.3, 1.3))
        if run.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
            fell += 1
        assert run.wait() in {0, -signal.SIGKILL}
        held = serials(EmbeddedStore(state / "events"))
        assert set(held.values()) <= {1}, "an event is there twice"
        if len(held) == count:  # it is done: once more from nothing
            subprocess.run(["rm", "-r", state], check=True)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    held = serials(EmbeddedStore(state / "events"))
    lost = count - len(held)
    twice = sum(number > 1 for number in held.values())
    print(f"\n{kills} kills over {count} events: {lost} lost, {twice} twice")
    assert (lost, twice) == (0, 0)
    named = {part.file for part in EmbeddedStore(state / "events").manifest().parts}
    there = {str(path.relative_to(state / "events")) for path in (state / "events").glob("*/*.parquet")}
    assert there == named, "files that nobody names were left"


def small_parts(store: EmbeddedStore, folder: Path, parts: int, *, first: int = 0) -> int:
    """Events in many small parts of two days and of none; how many."""
    for number in range(first, first + parts):
        lines = [
            orjson.dumps(
                {
                    "serial": number * 10 + one,
                    "@timestamp": f"2026-11-2{4 + one % 2}T00:{number // 60:02d}:{number % 60:02d}Z" if one else "?",
                }
            )
            for one in range(10)
        ]
        (folder / f"{number}.json").write_bytes(b"\n".join(lines))
        take(store, folder / f"{number}.json")
    return parts * 10


def test_merging_changes_nothing_but_the_number_of_parts(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    count = small_parts(store, tmp_path, 9)
    before = list(store.search(Search()))
    assert (len(before), len(store.manifest().parts)) == (count, 27)
    with store.writing() as writer:
        assert tidy.merge(writer) == 24
        assert tidy.merge(writer) == 0
    assert list(store.search(Search())) == before
    assert {part.partition: part.rows for part in store.manifest().parts} == {
        "2026-11-24": 36,
        "2026-11-25": 45,
        "undated": 9,
    }
    take(store, tmp_path / "3.json")  # known in its merged part too
    assert len(serials(store)) == count
    assert set(serials(store).values()) == {1}


def test_a_merge_holds_only_some_rows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "_ROWS", 10)
    store = EmbeddedStore(tmp_path / "events")
    count = small_parts(store, tmp_path, 9)
    with store.writing() as writer:
        assert tidy.merge(writer) == 24
    groups = []
    for one in store.manifest().parts:
        with pq.ParquetFile(store.folder / one.file) as file:
            groups += [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert sum(groups) == count
    assert max(groups) < 20  # what is held, and a batch of the next part


def test_small_batches_do_not_pile_up(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    with store.writing() as writer:
        for batch in range(150):
            some = [
                Event(number.to_bytes(16, "big"), number * 1_000_000, b'{"serial":%d}' % number, "spool", number, Ecs())
                for number in range(batch * 3, batch * 3 + 4)  # the last of each comes again with the next
            ]
            assert writer.put(some).new == (4 if batch == 0 else 3)
    assert set(serials(store).values()) == {1}
    assert len(serials(store)) == 451
    assert len(store.manifest().parts) < 3 * 8  # at most seven of each size


def test_a_reader_never_sees_a_merge_half_done(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    counts = [small_parts(store, tmp_path, 9)]
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            counts.append(store.count(Search()))

    reader = threading.Thread(target=look)
    reader.start()
    merges = 0
    try:
        for turn in range(1, 8):
            with store.writing() as writer:
                merges += tidy.merge(writer) > 0
            small_parts(store, tmp_path, 9, first=9 * turn)
    finally:
        ended.set()
        reader.join()
    assert merges >= 5
    assert counts[-1] > counts[0]
    assert counts == sorted(counts), "events were gone for a moment"
    assert all(count % 10 == 0 for count in counts), "a batch was there in part"


def test_a_merge_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    state = tmp_path
    store = EmbeddedStore(state / "events")
    wanted = small_parts(store, tmp_path, 12)
    chance = random.Random(5)
    killed = 0
    for _ in range(12):
        run = subprocess.Popen([SEKISHO, "store", "tidy", "--state", state], stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.2))
        if run.poll() is None:
            run.kill()
            killed += 1
        run.wait()
        assert serials(store) == Counter(dict.fromkeys(range(wanted), 1))
    assert killed
    subprocess.run([SEKISHO, "store", "tidy", "--state", state], check=True, stdout=subprocess.DEVNULL)
    assert serials(store) == Counter(dict.fromkeys(range(wanted), 1))
    assert len(store.manifest().parts) == 3
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "2026-11-24", "2026-11-25", "lock", "manifest.json", "undated",
    ]  # fmt: skip


def test_days_end_by_their_last_arrival_and_not_by_their_events_time(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    (tmp_path / "a.json").write_bytes(b'{"@timestamp":"2015-01-01T00:00:00Z"}\n{"@timestamp":"1970-01-01T00:00:00Z"}\n')
    take(store, tmp_path / "a.json")
    with store.writing() as writer:
        arrived = parse(writer.manifest.parts[0].arrived)
        assert tidy.expire(writer, 400, arrived + timedelta(days=400)) == (0, 0)
        assert tidy.expire(writer, 400, arrived + timedelta(days=400, seconds=5)) == (2, 0)
        assert writer.manifest.parts == ()
    assert list((tmp_path / "events").glob("*/*.parquet")) == []


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_part_that_is_damaged_or_gone_is_named(tmp_path: Path, harm: str) -> None:
    store = EmbeddedStore(tmp_path / "events")
    take(store, generated(tmp_path / "a.json", 30))
    path = store.folder / store.manifest().parts[0].file
    whole, before = path.read_bytes(), sorted(serials(store))
    path.unlink() if harm == "gone" else path.write_bytes(whole[:500])
    told = f"{re.escape(str(path))} is damaged or gone, with [0-9]+ events"
    with pytest.raises(BadInput, match=told):
        list(store.search(Search()))
    with pytest.raises(BadInput, match=told):
        store.count(Search([query.parse("serial:1")[0]]))
    with pytest.raises(BadInput, match=told):
        take(store, generated(tmp_path / "b.json", 40))
    path.write_bytes(whole)
    assert sorted(serials(store)) == before


def test_lines_that_were_set_aside_end_by_their_arrival(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    (tmp_path / "a.json").write_bytes(b'{"@timestamp":"2026-11-24T00:00:00Z"}\njunk\nmore junk\n')
    (tmp_path / "b.json").write_bytes(b"junk of later\n")
    take(store, tmp_path / "a.json")
    with store.writing() as writer:
        long_ago = parse(writer.manifest.rejects[0].arrived) - timedelta(days=100)
        old = tuple(one.model_copy(update={"arrived": stamp(long_ago)}) for one in writer.manifest.rejects)
        writer.commit(writer.manifest.model_copy(update={"rejects": old}))
    take(store, tmp_path / "b.json")
    with store.writing() as writer:
        when = long_ago + timedelta(days=400)
        assert tidy.expire(writer, 400, when) == (0, 0)
        assert tidy.expire(writer, 400, when + timedelta(seconds=5)) == (0, 2)
        assert [part.rows for part in writer.manifest.rejects] == [1]
        assert len(list((tmp_path / "events/rejected").iterdir())) == 1
    assert store.count(Search()) == 1


def test_what_was_set_aside_is_there_as_it_stood(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    assert list(store.set_aside()) == []
    (tmp_path / "a.json").write_bytes(b'{"x":1}\njunk \xff\n[1]\n')
    (tmp_path / "b.json").write_bytes(b"junk of later\n")
    take(store, tmp_path / "a.json")
    time.sleep(0.01)  # arrivals are kept to the millisecond
    take(store, tmp_path / "b.json")
    found = [(Path(one.reject.file).name, one.reject.offset, one.reject.raw) for one in store.set_aside()]
    assert found == [("b.json", 0, b"junk of later"), ("a.json", 8, b"junk \xff"), ("a.json", 15, b"[1]")]
    next((tmp_path / "events/rejected").iterdir()).write_bytes(b"damaged")
    with pytest.raises(BadInput, match="rejected/"):
        list(store.set_aside())


def test_killed_at_ten_random_moments_each_event_is_there_once(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 10, seed=11)


@pytest.mark.kills
def test_killed_at_a_hundred_random_moments_each_event_is_there_once(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 100, seed=12)


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    take(store, generated(tmp_path / "a.json", 10))
    with store.writing():
        with pytest.raises(BadInput, match="another command is writing"), store.writing():
            pass
        assert store.count(Search()) == 10


def test_a_full_disk_is_told_and_what_was_there_stays(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], check=True)
    try:
        store = EmbeddedStore(disk / "events")
        take(store, generated(tmp_path / "a.json", 100))
        noise = random.Random(3)
        big = tmp_path / "big.json"
        big.write_bytes(
            b"".join(b'{"serial":%d,"x":"%s"}\n' % (n, noise.randbytes(200).hex().encode()) for n in range(5000))
        )
        with pytest.raises(Missing, match="No space left"):
            take(store, big)
        assert len(serials(store)) == 100
        big.write_bytes(b'{"serial":200}\n')
        take(store, big)  # what did not fit took no room
        assert len(serials(store)) == 101
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"version":4,"parts":[]}', "newer"),
        ('{"version":1,"parts":[]}', "older"),
        ("{", "damaged"),
        ('{"version":2,"parts":[{"file":"../x"}]}', "damaged"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(tmp_path: Path, text: str, told: str) -> None:
    store = EmbeddedStore(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match=told):
        store.count(Search())
    with pytest.raises(BadInput, match=told), store.writing():
        pass
