"""Lumberjack version 2, the server's side: what Winlogbeat and the other Beats speak.

`2W` says how many events follow; each is `2J` (JSON) or `2D` (keys and values), and many may lie in one `2C` (zlib).
The window is acknowledged when its last event is durable; an acknowledgement of 0 says meanwhile that we are there.
"""

import json
import struct
import zlib

from sekisho_collector.incoming import SMALL, Event, Incoming, ProtocolError, Reserve, Session, checked

INFLATED = 256 * 1024 * 1024  # bytes that one compressed frame may become; they are never in memory together
WINDOW = 1_000_000  # events


class Lumberjack(Session):
    """One connection."""

    via = "lumberjack"
    keepalive = b"2A\0\0\0\0"

    def __init__(self):
        super().__init__()
        self._left = 0  # events of the window that are still to come

    @property
    def idle(self):
        return not self._left and self.incoming.between

    def _converse(self):
        while True:
            code = yield from _code(self.incoming)
            if code == b"2W":
                yield from self._window()
            elif code == b"2C":
                yield from self._compressed()
            else:
                yield from self._event(code, self.incoming)

    def _window(self):
        if self._left:
            raise ProtocolError(f"a new window, {self._left} events before the end of the last")
        self._left = yield from _number(self.incoming)
        if self._left > WINDOW:
            raise ProtocolError(f"a window of {self._left} events; {WINDOW} is the most")

    def _event(self, code, incoming):
        if code not in {b"2J", b"2D"}:
            raise ProtocolError("this is not Lumberjack version 2")
        if not self._left:
            raise ProtocolError("an event that no window has announced")
        sequence = yield from incoming.take(4)
        if code == b"2D":
            raw = yield from _pairs(incoming)
        else:
            size = checked((yield from _number(incoming)))
            if size > SMALL:
                yield Reserve(size)
            raw = yield from incoming.take(size)
        self._left -= 1
        yield Event(raw, b"" if self._left else b"2A" + sequence)

    def _compressed(self):
        """Unpacked piece by piece, so that a frame that grows to a thousand times its size needs no memory."""
        size = checked((yield from _number(self.incoming)))
        stream, inner, inflated = zlib.decompressobj(), Incoming(), 0
        steps = self._inside(inner)
        next(steps)  # it waits for its first bytes
        while size:
            piece = yield from self.incoming.some(min(size, SMALL))
            size -= len(piece)
            more = True
            while more:
                try:
                    plain = stream.decompress(piece, SMALL)
                except zlib.error as error:
                    raise ProtocolError("a compressed frame is damaged") from error
                piece = stream.unconsumed_tail
                more = bool(piece) or len(plain) == SMALL
                inflated += len(plain)
                if inflated > INFLATED:
                    raise ProtocolError(f"a compressed frame becomes more than {INFLATED} bytes")
                inner.feed(plain)
                for step in steps:
                    if step is None:
                        break
                    yield step
        if not stream.eof or stream.unused_data or not inner.between:
            raise ProtocolError("a compressed frame does not end where it says")

    def _inside(self, inner):
        while True:
            code = yield from _code(inner)
            if code in {b"2C", b"2W"}:
                raise ProtocolError("a compressed frame holds events, and nothing else")
            yield from self._event(code, inner)


def _code(incoming):
    while len(incoming) < 2:
        incoming.between = not len(incoming)
        if len(incoming) and incoming.data[incoming.at] != 0x32:
            raise ProtocolError("this is not Lumberjack version 2")
        yield None
    incoming.between = False
    return incoming.cut(2)


def _number(incoming):
    return struct.unpack(">I", (yield from incoming.take(4)))[0]


def _pairs(incoming):
    """Keys and values as one JSON object, in their order; as they came when they are not UTF-8."""
    count = yield from _number(incoming)
    texts, size = [], 8 * count
    for _ in range(2 * count):
        if size > SMALL:
            raise ProtocolError(f"keys and values of more than {SMALL} bytes")
        length = yield from _number(incoming)
        size += length
        if size > SMALL:
            raise ProtocolError(f"keys and values of more than {SMALL} bytes")
        texts.append((yield from incoming.take(length)))
    try:
        said = [json.dumps(text.decode(), ensure_ascii=False) for text in texts]
    except UnicodeDecodeError:
        return struct.pack(">I", count) + b"".join(struct.pack(">I", len(text)) + text for text in texts)
    return ("{" + ",".join(f"{said[at]}:{said[at + 1]}" for at in range(0, len(said), 2)) + "}").encode()
