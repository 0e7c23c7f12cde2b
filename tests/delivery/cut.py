"""A wire that can be cut without anybody being told: both ends see silence, and no end of the connection."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Wire:
    """Passes TCP on from a port of its own to another on loopback; `cut` makes all that is connected now go silent."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._alive = 0  # connections of an earlier number are cut
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._pass, "127.0.0.1", 0), self._loop).result()
        self.port: int = server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._alive += 1

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self._alive
        with suppress(OSError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._copy(reader, ours, number), self._copy(theirs, writer, number))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if number != self._alive:  # cut: what comes is kept, and no end is told
                    await asyncio.Event().wait()
                writer.write(data)
                await writer.drain()
            if number == self._alive:
                writer.close()
