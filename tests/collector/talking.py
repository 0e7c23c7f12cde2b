"""What peers say, byte by byte: our own small RELP and Lumberjack speakers, honest and otherwise."""

from __future__ import annotations

import re
import ssl
import struct
import zlib

OFFER = b"relp_version=0\nrelp_software=test\ncommands=syslog"
OPEN = b"1 open %d %b\n" % (len(OFFER), OFFER)
OPENED = re.compile(rb"1 rsp \d+ 200 OK\nrelp_version=0\nrelp_software=sekisho\ncommands=syslog\n")


def syslog(number: int, text: bytes) -> bytes:
    return b"%d syslog %d %b\n" % (number, len(text), text)


def read(sock: ssl.SSLSocket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionResetError(f"the collector closed after {data!r}")
        data += more
    return data


def line(sock: ssl.SSLSocket, ending: bytes = b"\n") -> bytes:
    data = b""
    while not data.endswith(ending):
        data += read(sock, 1)
    return data


def opened(sock: ssl.SSLSocket) -> ssl.SSLSocket:
    sock.sendall(OPEN)
    assert OPENED.fullmatch(line(sock, b"=syslog\n"))
    return sock


class Sender:
    """A RELP client that keeps `window` frames on the way and knows which were acknowledged."""

    def __init__(self, sock: ssl.SSLSocket, window: int = 128) -> None:
        self.sock, self.window = opened(sock), window
        self.number, self.on_the_way = 1, {}  # type: ignore[var-annotated]
        self.acknowledged: list[bytes] = []
        self._rest = b""

    def send(self, texts: list[bytes]) -> None:
        """Send, and wait while more are on the way than the window has."""
        frames = []
        for text in texts:
            self.number += 1
            self.on_the_way[self.number] = text
            frames.append(syslog(self.number, text))
        self.sock.sendall(b"".join(frames))
        while len(self.on_the_way) > self.window:
            self.hear()

    def finish(self) -> None:
        while self.on_the_way:
            self.hear()

    def hear(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError
        *told, self._rest = (self._rest + data).split(b"\n")
        for answer in told:
            number, said = answer.split(b" ", 1)
            assert said == b"rsp 6 200 OK", said
            self.acknowledged.append(self.on_the_way.pop(int(number)))


def window(count: int) -> bytes:
    return b"2W" + struct.pack(">I", count)


def event(sequence: int, payload: bytes) -> bytes:
    return b"2J" + struct.pack(">II", sequence, len(payload)) + payload


def pairs(sequence: int, *texts: bytes) -> bytes:
    said = b"".join(struct.pack(">I", len(text)) + text for text in texts)
    return b"2D" + struct.pack(">II", sequence, len(texts) // 2) + said


def compressed(frames: bytes, level: int = 6) -> bytes:
    packed = zlib.compress(frames, level)
    return b"2C" + struct.pack(">I", len(packed)) + packed


def acknowledged(sock: ssl.SSLSocket) -> int:
    """The next acknowledgement that is not a sign of life."""
    while True:
        data = read(sock, 6)
        assert data[:2] == b"2A"
        if number := struct.unpack(">I", data[2:])[0]:
            return int(number)
