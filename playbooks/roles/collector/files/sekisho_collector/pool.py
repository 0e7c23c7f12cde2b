"""A stock that all connections share, handed out in the order of asking, so that it has an end."""

import asyncio
from collections import deque


class Pool:
    """So much in all. Who asks for more than is free waits, and nobody overtakes."""

    def __init__(self, size):
        self._free = size
        self._queue = deque()

    def ask(self, size):
        """A future, done when it is granted; what was granted must be given back. Cancel it to leave the queue."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        self._serve()
        if not turn.done():
            turn.add_done_callback(lambda turn: turn.cancelled() and self._serve())
        return turn

    def give(self, size):
        self._free += size
        self._serve()

    def _serve(self):
        while self._queue:
            size, turn = self._queue[0]
            if not turn.done():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._queue.popleft()
