"""A terminal's records as they come: `generator.py FOLDER POSITIONS COUNT SECONDS` appends COUNT lines to its segments.

The segments are the log agent's own, rolled and removed by its own program; only what the journal would say is made up.
Every line has its serial. Every ninth is written twice, byte by byte the same, and is two events: it has no identity
but its place. The lines' times go over midnight in UTC.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "playbooks/roles/log_agent/files"))
import sekisho_journal

_MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)


def serials(count: int) -> Counter[int]:
    """How often each serial stands in `count` lines."""
    return Counter(serial for serial, _ in _lines(count))


def _lines(count: int) -> Iterator[tuple[int, bytes]]:
    serial, made = 0, 0
    while made < count:
        when = _MIDNIGHT + timedelta(milliseconds=serial - count // 2)
        text = b"%x " % (serial * 2654435761 % (1 << 32)) * 20
        line = b'{"@timestamp":"%s","serial":%d,"message":"%s"}\n' % (when.isoformat().encode(), serial, text)
        for _ in range(min(2 if serial % 9 == 0 else 1, count - made)):
            yield serial, line
            made += 1
        serial += 1


def write(folder: Path, positions: Path, count: int, seconds: float) -> None:
    sekisho_journal.SPOOL, sekisho_journal.POSITIONS = folder, positions
    spool, begun = sekisho_journal.Spool(), time.monotonic()
    for made, (_, line) in enumerate(_lines(count)):
        spool.append(line)
        if made % 200 == 0 and (early := begun + seconds * made / count - time.monotonic()) > 0:
            time.sleep(early)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
