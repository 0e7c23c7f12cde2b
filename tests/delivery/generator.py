"""A terminal's records as they come: `generator.py FOLDER POSITIONS COUNT SECONDS STOP`.

It appends COUNT lines to the segments in that many seconds, goes on at that pace until the file STOP is there, and then
says how many lines it has written. The segments are the log agent's own, rolled and removed by its own program; only
what the journal would say is made up. Every line has its serial. Every ninth is written twice, byte by byte the same,
and is two events: it has no identity but its place. The lines' times go over midnight in UTC.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "playbooks/roles/log_agent/files"))
import sekisho_journal

_MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)


def serials(lines: int) -> Counter[int]:
    """How often each serial stands in so many lines."""
    return Counter(serial for serial, _ in islice(_lines(0), lines))


def _lines(count: int) -> Iterator[tuple[int, bytes]]:
    """Lines without end; half of `count` are of the day before."""
    for serial in itertools.count():
        when = _MIDNIGHT + timedelta(milliseconds=serial - count // 2)
        text = b"%x " % (serial * 2654435761 % (1 << 32)) * 20
        line = b'{"@timestamp":"%s","serial":%d,"message":"%s"}\n' % (when.isoformat().encode(), serial, text)
        for _ in range(2 if serial % 9 == 0 else 1):
            yield serial, line


def write(folder: Path, positions: Path, count: int, seconds: float, stop: Path) -> int:
    sekisho_journal.SPOOL, sekisho_journal.POSITIONS = folder, positions
    spool, begun = sekisho_journal.Spool(), time.monotonic()
    for made, (_, line) in enumerate(_lines(count)):
        if made % 200 == 0:
            if made >= count and stop.exists():
                return made
            time.sleep(max(0, begun + seconds * made / count - time.monotonic()))
        spool.append(line)
    raise AssertionError


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5])))
