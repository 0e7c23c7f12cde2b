"""One peer's connection: read, take apart, make durable, acknowledge; then read on.

A connection that waits for the disk does not read, so its peer waits too. How many may hold a batch at a time is
limited for all of them together, and so is the memory for large frames.
"""

import asyncio
import base64
import json
import socket
import time
from json.encoder import encode_basestring

from sekisho_collector.incoming import Bye, Event, ProtocolError, Reserve

CHUNK = 32 * 1024  # bytes read at once
BATCH = 256 * 1024  # bytes of lines that one connection makes durable at once
DEAF = 60.0  # seconds in which a peer must take its acknowledgements
KEEPALIVE = 3.0
ESTABLISHED = 1  # of the kernel's states of a TCP connection


class GoneError(Exception):
    """The peer left while it waited."""


def prefix(peer, via):
    return f'"peer":{json.dumps(peer)},"via":"{via}",'.encode()


def line(at, before, raw):
    """One line of the spool."""
    try:
        told = b'"raw":%b' % encode_basestring(raw.decode()).encode()
    except UnicodeDecodeError:
        told = b'"raw64":"%b"' % base64.b64encode(raw)
    return b'{"at":%d,%b%b}\n' % (at, before, told)


class Connection:
    """`slots` bounds how many connections hold a batch, `memory` what all their large frames take."""

    def __init__(self, session, peer, streams, half, spool, slots, memory, heard):
        self.session, self.peer, self.heard = session, peer, heard
        self.reader, self.writer = streams
        self.half = half  # seconds in which what was begun must be finished
        self.spool, self.slots, self.memory = spool, slots, memory
        self._prefix = prefix(peer, session.via)
        self._lines, self._size, self._replies = [], 0, []
        self._reserved = self._slot = 0
        self._since = None  # when what is half said began

    async def serve(self):
        """Until the peer ends it. Raises ProtocolError, TimeoutError, GoneError, OSError."""
        try:
            while data := await self._read():
                self._slot = await self._granted(self.slots, 1)
                if not await self._take(data):
                    return
                self._give_slot()
            if not self.session.idle:
                raise ProtocolError("it ended in the middle")
        finally:
            self._give_slot()
            self._give_memory()

    async def _read(self):
        if self.session.idle:
            self._since = None
            return await self.reader.read(CHUNK)
        self._since = self._since or asyncio.get_running_loop().time()
        async with asyncio.timeout_at(self._since + self.half):
            return await self.reader.read(CHUNK)

    async def _take(self, data):
        at = time.time_ns() // 1000
        for step in self.session.feed(data):
            self._since = None
            if isinstance(step, Event):
                self._lines.append(line(at, self._prefix, step.raw))
                self._size += len(self._lines[-1])
                self._replies.append(step.reply)
                if self._size >= BATCH:
                    await self._flush(at)
            elif isinstance(step, Reserve):
                await self._flush(at)
                self._give_slot()  # who waits for memory holds nothing that another waits for
                self._reserved = await self._granted(self.memory, step.size)
                self._slot = await self._granted(self.slots, 1)
            else:
                self._replies.append(step.reply)
                if isinstance(step, Bye):
                    await self._flush(at)
                    return False
        await self._flush(at)
        return True

    async def _flush(self, at):
        if self._lines:
            await self._patiently(self.spool.append(b"".join(self._lines)))
            self.heard.note(self.peer, at)
            self._lines, self._size = [], 0
            self._give_memory()
        if self._replies:
            self.writer.write(b"".join(self._replies))
            self._replies = []
            async with asyncio.timeout(DEAF):
                await self.writer.drain()

    async def _granted(self, pool, size):
        turn = pool.ask(size)
        try:
            await self._patiently(turn)
        except BaseException:
            if not turn.cancelled():
                pool.give(size)  # granted at the moment when nobody wanted it any more
            raise
        return size

    async def _patiently(self, future):
        """Wait for as long as it takes, but not for a peer that has left."""
        try:
            while not future.done() and not (await asyncio.wait({future}, timeout=KEEPALIVE))[0]:
                if self._left():
                    raise GoneError
                self.writer.write(self.session.keepalive)
        finally:
            future.cancel()

    def _left(self):
        """Whether the peer has closed; who is not read from cannot be heard to go, so the kernel is asked."""
        if self.writer.is_closing():
            return True
        asked = self.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return asked[0] != ESTABLISHED

    def _give_slot(self):
        self.slots.give(self._slot)
        self._slot = 0

    def _give_memory(self):
        self.memory.give(self._reserved)
        self._reserved = 0
