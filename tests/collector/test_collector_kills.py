"""Killed at any moment, and out of disk: nothing that was acknowledged is missing, and it goes on by itself."""

from __future__ import annotations

import random
import socket
import threading
import time
from pathlib import Path

from running import Collector, Control, until
from talking import Sender, acknowledged, compressed, event, window

KILLS = 20
CHANCE = random.Random()


class Load(threading.Thread):
    """Sends numbered lines and sends again what was not acknowledged, as rsyslog and Winlogbeat do."""

    def __init__(self, collector: Collector, name: str) -> None:
        super().__init__(daemon=True)
        self.collector, self.label = collector, name
        self.number = 0
        self.unsure: list[bytes] = []
        self.acknowledged: list[bytes] = []
        self.ending = False

    def run(self) -> None:
        while not self.ending or self.unsure:
            try:
                self.session()
            except OSError:
                time.sleep(0.05)

    def more(self, count: int) -> list[bytes]:
        time.sleep(0.02)  # many small batches, so that kills fall between and into them
        self.number += count
        return [b"%s %d" % (self.label.encode(), n) + b"." * 200 for n in range(self.number - count, self.number)]

    def session(self) -> None:
        raise NotImplementedError


class RelpLoad(Load):
    def session(self) -> None:
        with self.collector.connect(self.collector.relp) as sock:
            sender = Sender(sock)
            try:
                sender.send(self.unsure)
                while not self.ending:
                    sender.send(self.more(CHANCE.randint(1, 50)))
                sender.finish()
            finally:
                self.acknowledged += sender.acknowledged
                self.unsure = list(sender.on_the_way.values())


class LumberjackLoad(Load):
    def session(self) -> None:
        with self.collector.connect(self.collector.lumberjack) as sock:
            while not self.ending or self.unsure:
                self.unsure = self.unsure or self.more(CHANCE.randint(1, 400))
                frames = b"".join(event(number, text) for number, text in enumerate(self.unsure, 1))
                sock.sendall(window(len(self.unsure)) + CHANCE.choice([frames, compressed(frames)]))
                assert acknowledged(sock) == len(self.unsure)
                self.acknowledged += self.unsure
                self.unsure = []


def newest(collector: Collector) -> Path:
    """The segment that was begun last."""
    return max(collector.spool.glob("*.ndjson"), default=collector.spool)


def test_twenty_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    collector = Collector(tmp_path, "--segment=1000000").start()
    control = Control(collector)
    loads = [RelpLoad(collector, f"r{n}") for n in range(3)] + [LumberjackLoad(collector, f"l{n}") for n in range(2)]
    for load in loads:
        load.start()
    try:
        written = collector.spool  # comes before all that lies in it
        for number in range(KILLS):
            if number % 4:  # each fourth may fall before anything is written
                until(lambda: newest(collector) > written, 60, "lines are written again")  # noqa: B023
            time.sleep(CHANCE.uniform(0.0, 0.3))
            written = newest(collector)
            collector.kill()
            control.fetch()  # also while nobody writes
            collector.start()
    finally:
        for load in loads:
            load.ending = True
        for load in loads:
            load.join(120)
    collector.stop()
    collector.start()  # what was open is closed now
    control.fetch()
    stored = {line["raw"].encode() for line in control.lines}
    for load in loads:
        assert not load.is_alive()
        assert len(load.acknowledged) == load.number > 0
        assert set(load.acknowledged) <= stored, load.label
    assert len({one.label for one in loads}) == 5
    names = sorted(control.offsets)
    assert len(names) == len(set(names)) > KILLS / 2
    collector.stop()


def test_a_number_is_never_used_twice(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    seen: list[str] = []
    for _ in range(3):
        with collector.connect(collector.relp) as sock:
            sender = Sender(sock)
            sender.send([b"x"])
            sender.finish()
        seen += [segment["name"] for segment in collector.segments()]
        collector.kill()
        for path in collector.spool.glob("*.ndjson"):
            path.unlink()  # as if everything had been released
        collector.start()
    assert len(set(seen)) == 3
    assert seen == sorted(seen)
    collector.stop()


def test_half_a_line_of_a_power_cut_is_not_read(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    with collector.connect(collector.relp) as sock:
        sender = Sender(sock)
        sender.send([b"whole"])
        sender.finish()
    collector.kill()
    (segment,) = collector.spool.glob("*.ndjson")
    with segment.open("ab") as stream:
        stream.write(b'{"at":1,"peer":"PC-0001","via":"relp","raw":"written, not durable"}\n{"at":1,"pe')
    assert collector.raw() == [b"whole"]
    collector.start()
    assert segment.read_bytes().endswith(b"}\n")
    assert collector.raw()[0] == b"whole"
    collector.stop()


def test_a_full_disk_stops_acknowledging_and_drops_nothing(tmp_path: Path) -> None:
    small = 'mount -t tmpfs -o size=1m,mode=0755 none "$0" && exec "$@"'
    wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-c", small, str(tmp_path / "spool"))
    collector = Collector(tmp_path, "--segment=200000", "--spare=100000", wrap=wrap).start()
    texts = [b"%05d" % number + b"." * 1000 for number in range(3000)]
    control = Control(collector)
    with collector.connect(collector.relp) as sock:
        sender = Sender(sock)
        sock.settimeout(4)
        sent = 0
        try:
            while sent < len(texts):
                sender.send(texts[sent : sent + 10])
                sent += 10
        except TimeoutError:
            sent += 10
        assert len(sender.acknowledged) < 1000, "it acknowledged more than the disk has"
        assert {text.decode() for text in sender.acknowledged} <= {line["raw"] for line in collector.lines()}
        before = len(sender.acknowledged)
        assert before > 500
        # Another one is not dropped either: it waits, and a Beat is told that we are there.
        with collector.connect(collector.lumberjack) as beat:
            beat.sendall(window(1) + event(1, b'"beat"'))
            assert beat.recv(6) == b"2A\0\0\0\0"
            assert "cannot be written" in collector.log.read_text()
            control.fetch()  # and gives what was closed free
            sock.settimeout(30)
            assert acknowledged(beat) == 1
            for begin in range(sent, len(texts), 10):
                sender.send(texts[begin : begin + 10])
                if begin % 200 == 0:
                    control.fetch()
            while sender.on_the_way:
                control.fetch()
                sender.hear()
    control.fetch()
    assert len(sender.acknowledged) == len(texts) > before
    stored = [line["raw"] for line in control.lines if line["via"] == "relp"]
    assert stored == [text.decode() for text in texts], "each once, in their order"
    told = collector.log.read_text()
    assert told.count("cannot be written") <= told.count("takes lines again") + 1
    collector.stop()


def test_who_left_while_the_disk_was_full_is_forgotten(tmp_path: Path) -> None:
    """rsyslog connects anew every 90 s when it is not answered: what it left behind must not pile up."""
    small = 'mount -t tmpfs -o size=1m,mode=0755 none "$0" && exec "$@"'
    wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-c", small, str(tmp_path / "spool"))
    collector = Collector(tmp_path, "--spare=1000000", wrap=wrap).start()
    text = b"." * 30_000

    def try_and_leave(*, cut: bool) -> None:
        with collector.connect(collector.relp) as sock:
            sender = Sender(sock, window=1000)
            sender.send([text] * 20)
            if cut:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    for number in range(30):
        try_and_leave(cut=number % 2 == 0)
    assert collector.process is not None
    sockets = Path(f"/proc/{collector.process.pid}/fd")
    # Its two doors, asyncio's own pair, and a peer's eight places: behind data that nobody reads no end can be heard.
    until(lambda: sum(path.readlink().name.startswith("socket:") for path in sockets.iterdir()) <= 12, 60, "they end")
    assert collector.memory() < 200e6
    collector.stop()
