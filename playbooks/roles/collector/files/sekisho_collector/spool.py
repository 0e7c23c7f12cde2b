"""Group commit: what all connections bring while one write runs goes out with the next, with one fsync for all."""

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

BATCH = 4 * 1024 * 1024  # bytes made durable at once
PATIENCE = 1.0  # seconds between attempts on a disk that does not take anything
REMINDER = 60.0  # seconds between lines in the journal about it


class Spool:
    """Lines in, a future out that is done when they are durable. It never drops: a full disk makes everybody wait."""

    def __init__(self, segments):
        self._segments = segments
        self._waiting = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "spool")
        self._told = None  # when the journal was last told that nothing can be written

    def append(self, lines):
        """`lines` is bytes, whole lines. Cancel the future to take back what nobody waits for any more."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((lines, done))
        self._arrived.set()
        return done

    def close(self):
        """Wait for the write that runs."""
        self._thread.shutdown()

    async def run(self):
        """Write for ever."""
        while True:
            await self._arrived.wait()
            await self._commit()

    async def _commit(self):
        batch, size = [], 0
        # On a disk that is full a little may still fit where much does not.
        most = BATCH if self._told is None else 0
        while self._waiting and (not batch or size + len(self._waiting[0][0]) <= most):
            lines, done = self._waiting.popleft()
            if not done.cancelled():
                batch.append((lines, done))
                size += len(lines)
        if not batch:
            self._arrived.clear()
            return
        blob = b"".join(lines for lines, _ in batch)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._segments.append, blob)
        except OSError as error:
            self._waiting.extendleft(reversed(batch))
            self._complain(error)
            await asyncio.sleep(PATIENCE)
            return
        if self._told is not None:
            self._told = None
            print("<5>the spool takes lines again", flush=True)
        for _, done in batch:
            if not done.cancelled():
                done.set_result(None)

    def _complain(self, error):
        now = time.monotonic()
        if self._told is None or now - self._told > REMINDER:
            self._told = now
            print(f"<2>the spool cannot be written: {error}; nothing is acknowledged, senders wait", flush=True)
