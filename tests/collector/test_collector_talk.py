"""What honest peers are told, and what lies in the spool afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from running import TERMINAL, Collector
from talking import Sender, acknowledged, compressed, event, line, opened, pairs, syslog, window


def test_a_relp_frame_is_in_the_spool_when_it_is_acknowledged(collector: Collector) -> None:
    before = time.time_ns() // 1000
    with opened(collector.connect(collector.relp)) as sock:
        sock.sendall(syslog(2, "<30>1 - pc - - - - 端末".encode()))
        assert line(sock) == b"2 rsp 6 200 OK\n"
        (stored,) = collector.lines()
        assert before <= stored.pop("at") <= time.time_ns() // 1000
        assert stored == {"peer": TERMINAL, "via": "relp", "raw": "<30>1 - pc - - - - 端末"}
        sock.sendall(b"3 close 0\n")
        assert line(sock) + line(sock) == b"3 rsp 0\n0 serverclose 0\n"
        assert sock.recv(1) == b""


@pytest.mark.parametrize("text", [b"", b'\x00\x1f"\\\n\r', b"\xff\xfe", "\u2028\u0085".encode(), b"x" * 300_000])
def test_a_frame_stays_as_it_was(collector: Collector, text: bytes) -> None:
    for port, said in ((collector.relp, syslog(2, text)), (collector.lumberjack, window(1) + event(1, text))):
        with collector.connect(port) as sock:
            if port == collector.relp:
                opened(sock).sendall(said)
                assert line(sock) == b"2 rsp 6 200 OK\n"
            else:
                sock.sendall(said)
                assert acknowledged(sock) == 1
    assert collector.raw() == [text, text]


def test_windows_are_acknowledged_one_by_one(collector: Collector) -> None:
    with collector.connect(collector.lumberjack) as sock:
        sock.sendall(window(2) + event(1, b'{"n":1}') + event(2, b'{"n":2}'))
        assert acknowledged(sock) == 2
        # Two on the way at a time, as Winlogbeat has them; keys and values; packed.
        inside = pairs(1, b"n", b"3", b"n", "四".encode()) + event(2, b'{"n":4}')
        sock.sendall(window(2) + compressed(inside) + window(1) + compressed(event(1, b'{"n":5}'), level=0))
        assert [acknowledged(sock), acknowledged(sock)] == [2, 1]
    assert collector.raw() == [b'{"n":1}', b'{"n":2}', '{"n":"3","n":"四"}'.encode(), b'{"n":4}', b'{"n":5}']
    assert {line["via"] for line in collector.lines()} == {"lumberjack"}


def test_a_silent_peer_is_kept_and_remembered(collector: Collector) -> None:
    with opened(collector.connect(collector.relp)) as sock:
        sock.sendall(syslog(2, b"x"))
        line(sock)
        collector.stop()
        collector.start()
        assert set(json.loads(collector.ask("list").stdout)["heard"]) == {TERMINAL}


def test_large_segments_are_closed_and_read_in_parts(collector: Collector) -> None:
    texts = [b"%06d " % number + b"x" * 20_000 for number in range(2000)]
    with collector.connect(collector.relp) as sock:
        sender = Sender(sock)
        for begin in range(0, len(texts), 20):
            sender.send(texts[begin : begin + 20])
        sender.finish()
    segments = collector.segments()
    assert [one["open"] for one in segments] == [False, False, True]
    assert all(15_000_000 < one["size"] <= 16 * 1024 * 1024 for one in segments[:-1])
    read: list[str] = []
    for segment in segments:
        offset = 0
        while part := collector.ask(f"read {segment['name']} {offset} 5000000").stdout:
            assert len(part) <= 5_000_000
            offset += len(part)
            read += [json.loads(one)["raw"] for one in part.splitlines()]
        assert offset == segment["size"]
    assert read == [text.decode() for text in texts]


def test_an_answer_does_not_wait_for_the_server_s_libraries(collector: Collector) -> None:
    asked = "import sys, sekisho_collector.__main__; print(sorted({'asyncio', 'ssl'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-P", "-c", asked], env=collector.environment(), capture_output=True)
    assert done.stdout == b"[]\n"
