"""Shipping out of the collector's spool, as its own program answers for it, into the embedded store."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sekisho.core.errors import SekishoError
from sekisho.telemetry import ship, spooled
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.query import Search
from sekisho.telemetry.ship import Shipped, Shipper
from sekisho.telemetry.spool import Spool
from sekisho.telemetry.store import Added, Taker
from sekisho_collector.segments import Segments

PROGRAM = Path(__file__).parents[2] / "playbooks" / "roles" / "collector" / "files"
ZONE = ZoneInfo("Asia/Tokyo")
FIRST = 1_795_500_000_000_000


def spool(folder: Path) -> Spool:
    """What control sees of the spool in a folder."""
    words = f"{sys.executable} -P -m sekisho_collector answer --spool={folder} --status={folder.parent / 'durable'}"
    return Spool(["sh", "-c", f'PYTHONPATH={PROGRAM} SSH_ORIGINAL_COMMAND="$*" exec {words}', "spool"])


@contextmanager
def collector(folder: Path, *, largest: int = 20_000) -> Iterator[Segments]:
    """The collector's writing half."""
    folder.mkdir(exist_ok=True)
    segments = Segments(folder, folder.parent / "durable", largest=largest)
    try:
        yield segments
    finally:
        segments.close()


def line(number: int, raw: str, peer: str = "PC-0001") -> bytes:
    """A line of the spool; each arrived a tenth of a second after the one before."""
    place = f'[place@32473 file="/var/spool/sekisho/1.ndjson" offset="{number * 1000}"]'
    frame = f"<13>1 2026-11-24T09:00:00+09:00 pc-0001 sekisho - - {place} {raw}"
    return json.dumps({"at": FIRST + number * 100_000, "peer": peer, "via": "relp", "raw": frame}).encode() + b"\n"


def lines(count: int) -> list[bytes]:
    """JSON lines, junk, and starts of processes whose audit records come in between each other's."""
    chance, waiting, found = random.Random(3), list[str](), list[bytes]()
    for number in range(count):
        kind = number % 4
        if kind == 0:
            found.append(line(len(found), json.dumps({"serial": number, "text": "x" * chance.randrange(300)})))
        elif kind == 1:
            found.append(line(len(found), f"neither this nor that {number}"))
        else:
            mark = f"msg=audit(1795500000.{number % 1000:03d}:{number})"
            waiting += [
                f'type=SYSCALL {mark}: arch=c000003e syscall=59 success=yes ppid=1 pid={number} uid=0 exe="/bin/a"',
                f'type=EXECVE {mark}: argc=2 a0="a" a1="{number}"',
                f"type=EOE {mark}: ",
            ]
        while len(waiting) > 12 or (waiting and number == count - 1):
            found.append(line(len(found), waiting.pop(0)))
    return found


class Cut(Exception):  # noqa: N818 - a power cut
    """The machine goes dark."""


class Frail:
    """A store's writer that is cut off: before it took a batch, or after; it takes one when its end is asked for."""

    def __init__(self, writer: Taker, chance: random.Random) -> None:
        self._writer, self._chance = writer, chance

    def put(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Added:
        fate = self._chance.random()
        if fate < 0.2:
            raise Cut
        added = self._writer.put(events, rejects)
        if fate < 0.4:
            raise Cut
        return added

    def begin(self, events: Sequence[Event], rejects: Sequence[Reject] = ()) -> Callable[[], Added]:
        return lambda: self.put(events, rejects)


def told(store: EmbeddedStore) -> list[tuple[bytes, bytes]]:
    return sorted((event.id, event.source) for event in store.search(Search()))


@pytest.mark.parametrize("seed", range(2))
def test_cuts_at_any_moment_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    some = lines(400)
    whole = spooled.read(some, ZONE)
    assert {len(whole.rejects), sum(b"derived_from" in event.source for event in whole.events)} == {100, 200}
    monkeypatch.setattr(ship, "_PIECE", 4000)
    chance, store, cuts = random.Random(seed), EmbeddedStore(tmp_path / "events"), 0
    with collector(tmp_path / "spool") as segments:
        rest, rounds = list(some), 0
        while rest or rounds < 15:
            many = chance.randrange(80)
            arrived, rest = rest[:many], rest[many:]
            if arrived:
                segments.append(b"".join(arrived))
            rounds += 1
            try:
                with store.writing() as writer:
                    Shipper(spool(tmp_path / "spool"), Frail(writer, chance), ZONE, tmp_path).ship(lambda _: None)
            except Cut:
                cuts += 1
        with store.writing() as writer:
            Shipper(spool(tmp_path / "spool"), writer, ZONE, tmp_path).ship(lambda _: None)
        left = [one for one in spool(tmp_path / "spool").listing().segments if not one.open]
    assert cuts > 3
    assert told(store) == sorted((event.id, event.source) for event in whole.events)
    assert sum(part.rows for part in store.manifest().rejects) == len(whole.rejects)
    assert left == []


def test_a_spool_that_was_made_anew_is_shipped_from_its_front(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "events")
    for number, folder in enumerate(("old", "new")):
        with collector(tmp_path / folder, largest=100) as segments:
            for place in range(5 - 2 * number):
                segments.append(line(100 * number + place, '{"a":1}'))
        with store.writing() as writer:
            Shipper(spool(tmp_path / folder), writer, ZONE, tmp_path).ship(lambda _: None)
    assert store.count(Search()) == 5 + 3


def test_what_is_told_adds_up(tmp_path: Path) -> None:
    store, said = EmbeddedStore(tmp_path / "events"), list[Shipped]()
    with collector(tmp_path / "spool") as segments:
        segments.append(b"".join([line(1, '{"a":1}'), line(2, '{"a":1}'), line(2, '{"a":1}'), line(3, "?")]))
        with store.writing() as writer:
            Shipper(spool(tmp_path / "spool"), writer, ZONE, tmp_path).ship(said.append)
    assert said[-1] == Shipped(new=2, known=1, rejected=1, left=0)


def test_a_collector_that_does_not_answer_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(SekishoError, match="nobody answers"):
        Spool(["sh", "-c", "echo nobody answers >&2; exit 255", "spool"]).listing()
    with pytest.raises(SekishoError, match="cannot be read"):
        Spool(["sh", "-c", 'echo \'{"segments": [{"name": "../x", "size": 1, "open": true}]}\'', "spool"]).listing()
