"""`make bench`: taking events in beside bare `orjson.loads` on the same file, alternated, medians of five.

bench/ingest.py [MEGABYTES]        default 250; needs the recordings (SEKISHO_CORPORA)
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("SEKISHO_CORPORA", ROOT.parent / "shared" / "corpora"))
SEKISHO = Path(sys.executable).with_name("sekisho")
AIM = 0.25
TURNS = 5
_LOADS = """
import sys, orjson
path, begin, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path, "rb") as file:
    file.seek(begin)
    while begin < end and (line := file.readline()):
        begin += len(line)
        orjson.loads(line)
"""


def recordings() -> list[dict[str, Any]]:
    found = []
    for path in sorted((CORPORA / "otrf" / "atomic" / "windows").rglob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if "__MACOSX" not in name:
                    found += [orjson.loads(line) for line in archive.read(name).splitlines() if line.startswith(b"{")]
    if not found:
        sys.exit(f"no recordings below {CORPORA}; set SEKISHO_CORPORA")
    return found


def varied(some: list[dict[str, Any]], octets: int) -> Iterator[bytes]:
    """Events with hosts, times, numbers, paths and arguments of their own: plain repetition would compress too well."""
    chance = random.Random(1)  # noqa: S311 - made-up events, not secrets
    number, made = 0, 0
    while made < octets:
        event = dict(some[number % len(some)])
        day, second = 20 + made * 5 // octets, chance.randrange(86_400)
        event["Hostname"] = f"PC-{chance.randrange(6000):04d}"
        event["@timestamp"] = time.strftime(
            f"2026-11-{day}T%H:%M:%S.{chance.randrange(1000):03d}Z", time.gmtime(second)
        )
        if "RecordNumber" in event:
            event["RecordNumber"] = 1_000_000 + number
        for key in ("CommandLine", "Image", "TargetFilename", "Message"):
            if isinstance(event.get(key), str):
                event[key] = event[key].replace("\\", f"\\{chance.randrange(1 << 20):x}\\", 1)
        line = orjson.dumps(event)
        number, made = number + 1, made + len(line) + 1
        yield line


def bare(path: Path) -> float:
    """Seconds of two processes that each load one half of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size // 2)
        middle = size // 2 + len(file.readline())
    begun = time.perf_counter()
    halves = [
        subprocess.Popen([sys.executable, "-c", _LOADS, path, str(begin), str(end)])
        for begin, end in ((0, middle), (middle, size))
    ]
    if any(half.wait() for half in halves):
        sys.exit("the baseline failed")
    return time.perf_counter() - begun


def ours(path: Path, state: Path, count: int) -> float:
    """Seconds of `sekisho ingest` into an empty store; the rows are counted back."""
    shutil.rmtree(state, ignore_errors=True)
    begun = time.perf_counter()
    subprocess.run([SEKISHO, "ingest", path, "--state", state, "--json"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    counted = subprocess.run(
        [SEKISHO, "events", "search", "--count", "--state", state], check=True, capture_output=True, text=True
    ).stdout
    if int(counted) != count:
        sys.exit(f"{counted} events are in the store, {count} were in the file")
    return seconds


def main(megabytes: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path, state = Path(folder) / "events.json", Path(folder) / "state"
        some = recordings()
        lines: set[int] = set()
        count = 0
        with path.open("wb") as file:
            for line in varied(some, megabytes * 1_000_000):
                file.write(line + b"\n")
                lines.add(hash(line))
                count += 1
        size = path.stat().st_size
        print(f"{count:,} events of {size / count:,.0f} octets; {len(lines) / count:.3f} of the lines are distinct")
        pairs = [(bare(path), ours(path, state, count)) for _ in range(TURNS)]
        base, own = (statistics.median(one) for one in zip(*pairs, strict=True))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"  orjson.loads, two processes: {base:.2f} s, {count / base:,.0f} events/s")
        print(f"  sekisho ingest:              {own:.2f} s, {count / own:,.0f} events/s")
        print(f"  ratio: {base / own:.2f}  (aim {AIM}); the largest process had {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 250))
