"""Memory does not grow with what there is to do: measured in processes of their own, at two sizes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_EVENTS = """
import sys
from pathlib import Path
from sekisho.telemetry import identity
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import Ecs, Event
folder, parts, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with EmbeddedStore(Path(folder)).writing() as writer:
    made = []
    for part in range(parts):
        batch = writer.batch()
        for first in range(0, rows, 1000):
            some = [part * rows + first + one for one in range(1000)]
            batch.add([
                Event(identity.of_place(bytes(16), number, b""), 1795478400_000000 + number * 100_000,
                      b'{"number":%d,"text":"%s"}' % (number, str(number * 7919).encode() * 90), "a", number, Ecs())
                for number in some
            ], [])
        made.append(batch.ready())
    writer.take(made, {})
"""
_MERGE = """
import sys
from pathlib import Path
import pyarrow.compute
from sekisho.telemetry.embedded import tidy
from sekisho.telemetry.embedded.store import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]))
with store.writing() as writer:
    fewer = tidy.merge(writer)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(fewer, store.manifest().rows, peak.split()[1])
"""


def _merge(folder: Path, rows: int) -> tuple[int, int, int]:
    """A day of eight parts becomes one: how many parts were fewer, the events, and the peak of memory in MiB."""
    for words in ([_EVENTS, folder, "8", str(rows)], [_MERGE, folder]):
        done = subprocess.run(
            [sys.executable, "-c", *words], check=True, capture_output=True, text=True, env=os.environ
        )
    fewer, count, peak = map(int, done.stdout.split())
    return fewer, count, peak // 1024


def test_a_merge_of_a_large_day_takes_no_more_memory_than_that_of_a_small_one(tmp_path: Path) -> None:
    small, large = _merge(tmp_path / "small", 24_000), _merge(tmp_path / "large", 72_000)
    print(f"\n{small[1]:,} events: {small[2]} MiB; {large[1]:,} events: {large[2]} MiB")
    assert (small[:2], large[:2]) == ((7, 192_000), (7, 576_000))
    # The day's further events alone are 300 MiB.
    assert large[2] < small[2] + 100
