"""What both protocols are made of: bytes as they arrive, and the steps of a conversation.

A conversation is one generator. It yields a step for every thing that is to be done, in the order of the wire, and None
when it needs more bytes. It knows no sockets, so that a test can feed it anything in any pieces.
"""

from typing import NamedTuple

SMALL = 64 * 1024  # bytes that a connection may hold without asking
LARGEST = 16 * 1024 * 1024  # bytes of one frame


class ProtocolError(Exception):
    """The peer says what the protocol does not allow; the text says what."""


class Event(NamedTuple):
    """One event's bytes, as they came, and what is said to the peer once it is durable."""

    raw: bytes
    reply: bytes = b""


class Say(NamedTuple):
    """An answer that waits for nothing but the events before it."""

    reply: bytes


class Reserve(NamedTuple):
    """A frame of so many bytes begins: memory must be had before its bytes are taken in."""

    size: int


class Bye(NamedTuple):
    """The last answer; the connection is closed after it."""

    reply: bytes


class Incoming:
    """Bytes that have arrived and were not used yet.

    `between` says that nothing has begun: a peer may be silent now for as long as it likes.
    """

    def __init__(self):
        self.data = bytearray()
        self.at = 0
        self.between = False

    def __len__(self):
        return len(self.data) - self.at

    def feed(self, data):
        del self.data[: self.at]
        self.at = 0
        self.data += data

    def take(self, count):
        """Exactly `count` bytes, when they are there."""
        while len(self) < count:
            yield None
        return self.cut(count)

    def some(self, most):
        """At least one byte, and no more than `most`."""
        while not len(self):
            yield None
        return self.cut(min(most, len(self)))

    def cut(self, count):
        piece = bytes(self.data[self.at : self.at + count])
        self.at += count
        return piece


class Session:
    """One peer's conversation."""

    via = ""
    keepalive = b""  # what is said while the peer waits for an acknowledgement

    def __init__(self):
        self.incoming = Incoming()
        self._steps = self._converse()

    @property
    def idle(self):
        """Nothing is half said."""
        return self.incoming.between

    def feed(self, data):
        """The steps that these bytes lead to. Raises ProtocolError."""
        self.incoming.feed(data)
        for step in self._steps:
            if step is None:
                return
            yield step

    def _converse(self):
        raise NotImplementedError


def checked(size):
    """The length that a frame claims to have, if it may."""
    if size > LARGEST:
        raise ProtocolError(f"a frame of {size} bytes; {LARGEST} is the most")
    return size
