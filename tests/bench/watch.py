"""`sekisho watch` over the embedded store by 1, 2, 4 and 8 workers, each held to a CPU quota of its own. Needs root.

bench/watch.py [MEGABYTES [PERCENT]]        default 60 MB of events, 10 % of a processor for each worker

The process that keeps the alerts has no quota. Beside each figure stands in how many of its periods a worker was held
back: where that is little, the quota was not what the figure rests on. Start-up is measured alone, with nothing new to
judge, and taken off.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import detect
import ingest
from quota import Quota


def watched(state: Path, workers: int, percent: int) -> tuple[float, float, int]:
    """How long a watch takes, in which share of the periods its workers were held back, and how many were."""
    words = [ingest.SEKISHO, "watch", "--once", "--json", "--rules", detect.RULES, "--state", state]
    quotas: dict[int, Quota] = {}
    begun = time.monotonic()
    one = subprocess.Popen(
        [*map(str, words), "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    children = Path(f"/proc/{one.pid}/task/{one.pid}/children")
    while one.poll() is None:
        for child in map(int, children.read_text().split()) if children.exists() else ():
            if child not in quotas and (quota := Quota.of(child, percent)):
                quotas[child] = quota
        time.sleep(0.02)
    took = time.monotonic() - begun
    assert one.returncode == 0
    ended = [quota.end() for quota in quotas.values()]
    return took, sum(held for _, held in ended) / max(sum(periods for periods, _ in ended), 1), len(ended)


def main(megabytes: int, percent: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path, state, count = Path(folder) / "events.json", Path(folder) / "state", 0
        with path.open("wb") as file:
            for line in detect.varied(ingest.recordings(), megabytes * 1_000_000, every_command=False):
                file.write(line + b"\n")
                count += 1
        ingest.ours(path, state)
        watched(state, 1, 100)  # the rules are read, and what is made of them kept
        print(f"{count:,} events; each worker has {percent} % of a processor")
        for workers in (1, 2, 4, 8):
            start, _, _ = watched(state, workers, percent)
            for kept in state.glob("alerts.db*"):
                kept.unlink()
            took, held, seen = watched(state, workers, percent)
            assert seen == workers
            speed = count / (took - start)
            print(f"  {workers} workers: {speed:8,.0f} events/s, held back in {held:.0%} of their periods", flush=True)
    return 0


if __name__ == "__main__":
    given = list(map(int, sys.argv[1:]))
    sys.exit(main(*given, *(60, 10)[len(given) :]))
