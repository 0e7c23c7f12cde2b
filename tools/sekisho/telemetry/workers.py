"""Processes that do what can be done side by side, and end with the one that started them."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_LARGEST = 32 * 1024 * 1024  # octets; the most that it takes for the latter


class Workers:
    """A context in which work can be submitted; with a `count` of 0 it is done at once, by the caller.

    Enter it before anything that starts a thread or takes a lock: the processes have what this one has then.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = len(os.sched_getaffinity(0)) if count is None else count
        self._pool: ProcessPoolExecutor | None = None

    @property
    def ahead(self) -> int:
        """How many pieces of work may wait to be fetched: enough that nobody is idle, and no more, to save memory."""
        return 2 * self._count

    def __enter__(self) -> Self:
        # Forked, they have all that this process has loaded: to load it again would take longer than many a file. That
        # is safe as long as it has no threads; so it is done here, and not when there is work.
        if self._count:
            context = multiprocessing.get_context("fork")
            self._pool = ProcessPoolExecutor(self._count, context, initializer=_end_with, initargs=(os.getpid(),))
            self._pool.submit(int)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, what: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """Have `work` done; what it raises is raised where the result is asked for."""
        if self._pool is None:
            future: Future[Result] = Future()
            try:
                future.set_result(work(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)
            return future
        return self._pool.submit(work, *args, **kwargs)


def _end_with(parent: int) -> None:
    """End this process when its parent does: one that was killed could not tell it to."""
    gc.disable()  # blocks of records have no cycles; looking for some would take a third of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends us
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # Else memory goes back to the kernel after each block of lines, and is asked for, and emptied, anew for the next.
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST)
