"""One wave, driven as `sekisho migrate` drives it, with a listener that takes the time of each stage.

Run where control runs: `drive.py STATE WAVE`; prints one JSON object: seconds by stage, the whole, and peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from sekisho.core.state import open_state
from sekisho.migration import start


class Stopwatch:
    """A `Listener`: what a stage takes lasts until the next one begins."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._now, self._since = "open", time.monotonic()

    def stage(self, name: str, size: int) -> None:  # noqa: ARG002 - the size is for progress bars
        self._end()
        self._now = name

    def task(self, name: str) -> None:
        """Nothing: a task is part of its stage."""

    def step(self) -> None:
        """Nothing: a terminal is part of its stage."""

    def _end(self) -> None:
        moment = time.monotonic()
        self.seconds[self._now] += moment - self._since
        self._since = moment

    def result(self) -> dict[str, float]:
        self._end()
        return dict(self.seconds)


def main(state: str, wave: str) -> None:
    watch = Stopwatch()
    begun = time.monotonic()
    with start.opened(open_state(Path(state)), wave, who="bench", listener=watch) as run:
        start.migrate(run, retry=False)
    whole = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB, of this process alone
    print(json.dumps({"stages": watch.result(), "whole": whole, "peak_kb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
