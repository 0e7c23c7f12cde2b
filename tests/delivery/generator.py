"""A terminal's log files as they grow: `generator.py FOLDER COUNT SECONDS` writes COUNT lines, each with its serial.

Every file has a name of its own and is closed after some thousand lines. Every ninth line is written twice, byte by
byte the same, and is two events. The lines' times go over midnight in UTC. How often each serial was written follows
from its number alone (`times`).
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

LINES = 7_000  # of a file
_MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)


def times(serial: int) -> int:
    return 2 if serial % 9 == 0 else 1


def serials(count: int) -> Counter[int]:
    """How often each serial stands in `count` lines."""
    found: Counter[int] = Counter()
    for serial, _ in _lines(count):
        found[serial] += 1
    return found


def _lines(count: int) -> Iterator[tuple[int, bytes]]:
    serial, made = 0, 0
    while made < count:
        when = _MIDNIGHT + timedelta(milliseconds=serial - count // 2)
        line = b'{"@timestamp":"%s","serial":%d,"message":"%s"}\n' % (
            when.isoformat(timespec="milliseconds").encode(),
            serial,
            b"%x " % (serial * 2654435761 % (1 << 32)) * 20,
        )
        for _ in range(min(times(serial), count - made)):
            yield serial, line
            made += 1
        serial += 1


def write(folder: Path, count: int, seconds: float) -> None:
    begun, number = time.monotonic(), 0
    file = None
    for made, (_, line) in enumerate(_lines(count)):
        if made % LINES == 0:
            if file:
                file.close()
            number += 1
            file = (folder / f"{number:020d}.ndjson").open("ab", buffering=0)
        assert file is not None
        file.write(line)
        if made % 200 == 0 and (early := begun + seconds * made / count - time.monotonic()) > 0:
            time.sleep(early)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
