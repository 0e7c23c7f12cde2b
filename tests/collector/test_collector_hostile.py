"""Peers that lie, dawdle, or are nobody: they are closed, everybody else is served, and memory has an end."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from running import Collector, certificate, client
from sekisho.identity.ca import Authority
from talking import OPEN, Sender, acknowledged, compressed, event, line, opened, syslog, window

DOORS = ("relp", "lumberjack")


def closed(sock: socket.socket, seconds: float = 30) -> bool:
    """Whether the collector ends the connection without another word."""
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def one_more(collector: Collector) -> None:
    """An honest peer is served as ever."""
    with collector.connect(collector.relp) as sock:
        sender = Sender(sock)
        sender.send([b"honest"])
        sender.finish()


def nobody(_: Collector) -> None:
    return None


def of_another_ca(collector: Collector) -> Path:
    return certificate(Authority(collector.folder / "other"), collector.folder / "stranger", "PC-0001")


def of_a_server(collector: Collector) -> Path:
    return certificate(collector.authority, collector.folder / "server", "gyomu", server=True)


@pytest.mark.parametrize("who", [nobody, of_another_ca, of_a_server])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_a_terminal_s_certificate_opens(
    collector: Collector, who: Callable[[Collector], Path | None], version: ssl.TLSVersion
) -> None:
    tls = client(who(collector), collector.certificates / "ca.crt")
    tls.minimum_version = tls.maximum_version = version
    for port, said in ((collector.relp, OPEN + syslog(2, b"x")), (collector.lumberjack, window(1) + event(1, b"{}"))):
        try:
            sock = collector.connect(port, tls)
        except (ssl.SSLError, ConnectionError):
            continue
        with sock:
            try:
                sock.sendall(said)
            except (ssl.SSLError, ConnectionError):
                continue
            assert closed(sock)
    assert collector.lines() == []
    assert "127.0.0.1: " in collector.log.read_text()
    one_more(collector)


def test_old_tls_is_refused(collector: Collector) -> None:
    tls = collector.tls
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        collector.connect(collector.relp, tls)


def test_junk_instead_of_tls_is_closed(collector: Collector) -> None:
    silent = [socket.create_connection(("127.0.0.1", getattr(collector, door))) for door in DOORS]
    for door in DOORS:
        for junk in (b"GET / HTTP/1.1\r\n\r\n", OPEN, b"\x16\x03\x01\xff\xff" + b"\0" * 70_000, b"\0"):
            with socket.create_connection(("127.0.0.1", getattr(collector, door))) as sock:
                sock.sendall(junk)
                sock.shutdown(socket.SHUT_WR)
                assert closed(sock)
    one_more(collector)
    for sock in silent:  # who never says anything
        sock.settimeout(60)
        assert sock.recv(1) == b""
        sock.close()


@pytest.mark.parametrize(
    ("door", "lie"),
    [
        ("relp", b"GET / HTTP/1.1\r\n\r\n"),
        ("relp", OPEN + b"2 syslog 999999999 x"),
        ("relp", OPEN + b"2 syslog 3 four\n"),
        ("lumberjack", window(1) + b"2J\0\0\0\1\xff\xff\xff\xff"),
        ("lumberjack", window(1) + event(1, b"{}") + event(2, b"{}")),
        ("lumberjack", window(1) + compressed(compressed(event(1, b"{}")))),
        ("lumberjack", window(5000) + compressed(event(1, b"0" * 60_000) * 5000)),
    ],
)
def test_a_lie_ends_the_connection(collector: Collector, door: str, lie: bytes) -> None:
    with collector.connect(getattr(collector, door)) as sock:
        sock.sendall(lie)
        sock.settimeout(60)
        said = b""
        try:
            while more := sock.recv(4096):
                said += more
        except ConnectionError:
            pass
        assert b"rsp 6" not in said
        assert not said.replace(b"2A\0\0\0\0", b"") or said.startswith((b"1 rsp", b"2A\0\0\0\1"))
    one_more(collector)
    assert "PC-0001 (127.0.0.1): " in collector.log.read_text()


@pytest.mark.parametrize("drip", [False, True])
@pytest.mark.parametrize(
    ("door", "half"),
    [
        ("relp", b""),  # connected, and never opened the session
        ("relp", OPEN + b"2 sys"),
        ("relp", OPEN + b"2 syslog 9999 half"),
        ("relp", OPEN + b"2 syslog 9999999 half"),
        ("lumberjack", b"2"),
        ("lumberjack", window(2) + event(1, b"{}")),
        ("lumberjack", window(1) + compressed(event(1, b"{}"))[:-3]),
    ],
)
def test_what_is_begun_must_be_finished(tmp_path: Path, door: str, half: bytes, *, drip: bool) -> None:
    collector = Collector(tmp_path, "--half=2").start()
    with collector.connect(getattr(collector, door)) as sock, opened(collector.connect(collector.relp)) as quiet:
        sock.sendall(half)
        begin = time.monotonic()
        sock.settimeout(0.5 if drip else 60)
        while True:
            try:
                if drip and b"syslog 9999" in half:
                    sock.sendall(b".")
                if not sock.recv(100):
                    break
            except TimeoutError:
                assert time.monotonic() - begin < 60
            except ConnectionError:
                break
        assert time.monotonic() - begin > 1
        quiet.sendall(syslog(2, b"a session where nothing is begun may be silent"))
        assert line(quiet) == b"2 rsp 6 200 OK\n"
    collector.stop()


def test_many_large_frames_have_memory_in_turn(collector: Collector) -> None:
    """Forty peers claim 16 MiB each: they get it one after the other, and small lines pass by."""
    big = 16 * 1024 * 1024
    base = collector.memory()
    peak = 0
    failed: list[object] = []

    def send(number: int) -> None:
        try:
            if number % 2:
                with opened(collector.connect(collector.relp)) as sock:
                    sock.settimeout(300)
                    sock.sendall(b"2 syslog %d " % big + b"r" * big + b"\n")
                    assert line(sock) == b"2 rsp 6 200 OK\n"
            else:
                with collector.connect(collector.lumberjack) as sock:
                    sock.settimeout(300)
                    sock.sendall(window(1) + b"2J" + struct.pack(">II", 1, big) + b"l" * big)
                    assert acknowledged(sock) == 1
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failed.append((number, error))

    # Each is a terminal of its own: one alone has eight places.
    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, collector.memory())
        time.sleep(0.01)
    assert not failed
    assert peak - base < 450e6
    assert sum(len(raw) for raw in collector.raw()) == 8 * big


def test_a_peer_has_eight_places_and_the_oldest_gives_way(collector: Collector) -> None:
    socks = [opened(collector.connect(collector.relp)) for _ in range(9)]
    assert closed(socks[0])
    for sock in socks[1:]:
        sock.sendall(syslog(2, b"x"))
        assert line(sock) == b"2 rsp 6 200 OK\n"
        sock.close()


def test_a_cut_connection_costs_nobody_else_anything(collector: Collector) -> None:
    for _ in range(20):
        sock = opened(collector.connect(collector.relp))
        sock.sendall(syslog(2, b"x" * 5000)[:2000])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    one_more(collector)
    assert collector.raw() == [b"honest"]


def test_control_s_words_are_taken_strictly(collector: Collector) -> None:
    one_more(collector)
    (segment,) = collector.segments()
    name = segment["name"]
    (collector.folder / "secret").write_text("{}\n")
    (collector.spool / "00000000000000000099.ndjson").symlink_to(collector.folder / "secret")
    wrong = (
        "", "help", "list ", "list x", "LIST", "read", f"read {name}", f"read {name} 0", f"read {name} 0 10 10",
        f"read  {name} 0 10", f"read {name} -1 10", f"read {name} 0x0 10", f"read {name} 00 10", f"read {name} ٣ 10",
        f"read {name} 0 {'9' * 30}", f"read {name} 1 10", f"read {name} 99999999 10", "read ../secret 0 10",
        "read /etc/passwd 0 10", f"read ../spool/{name} 0 10", f"read {name}\n 0 10", f"release {name}",
        "release last", "release *", f"release {name}; id", "read 00000000000000000007.ndjson 0 10",
    )  # fmt: skip
    for words in wrong:
        done = collector.ask(words)
        assert done.returncode == 2, words
        assert not done.stdout, words
        assert done.stderr.startswith(b"spool: "), words
        assert done.stderr.count(b"\n") == 1, words
    linked = collector.ask("read 00000000000000000099.ndjson 0 10")
    assert linked.returncode == 1
    assert not linked.stdout
    (collector.spool / "00000000000000000099.ndjson").unlink()
    assert len(collector.raw()) == 1
    # A line that is longer than the limit comes whole.
    assert json.loads(collector.ask(f"read {name} 0 1").stdout)["raw"] == "honest"
    assert collector.ask(f"read {name} {segment['size']} 10").stdout == b""
    collector.stop()
    collector.start()
    one_more(collector)
    still = collector.segments()[-1]["name"]
    assert collector.ask(f"release {name} {still}").returncode == 2  # one is open: none is let go of
    assert (collector.spool / name).exists()
    assert collector.ask(f"release {name} {'9' * 20}.ndjson").returncode == 2
    assert collector.ask(f"release {name} {'0' * 20}.ndjson").returncode == 0
    assert collector.ask(f"release {name}").returncode == 0
    assert not (collector.spool / name).exists()


def test_a_second_collector_does_not_write_there(collector: Collector) -> None:
    argv, environment = collector.argv("serve"), collector.environment()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith("another collector writes here\n")
    one_more(collector)
