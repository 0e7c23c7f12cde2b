"""`make bench`: taking events in beside bare `orjson.loads` on the same file, alternated, medians of five.

bench/ingest.py [MEGABYTES]        default 500; needs the recordings (SEKISHO_CORPORA)
"""

from __future__ import annotations

import gc
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
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sekisho.core.clock import now
from sekisho.telemetry import ecs, reading, stream, stretches
from sekisho.telemetry import ingest as ingesting
from sekisho.telemetry.embedded.part import Batch
from sekisho.telemetry.embedded.writer import Writer
from sekisho.telemetry.reading import Clock, Origin, Piece
from sekisho.telemetry.stream import Block

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
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
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
    chance = random.Random(1)
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


class Cost(NamedTuple):
    """Seconds: as the clock has them, and of all processors together."""

    clock: float
    cpu: float


def cost(work: Callable[[], None]) -> Cost:
    """What it costs, the processes that it starts included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    clock, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def bare(path: Path) -> None:
    """Two processes that each load one half of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size // 2)
        middle = size // 2 + len(file.readline())
    halves = [
        subprocess.Popen([sys.executable, "-c", _LOADS, path, str(begin), str(end)])
        for begin, end in ((0, middle), (middle, size))
    ]
    if any(half.wait() for half in halves):
        sys.exit("the baseline failed")


def ours(path: Path, state: Path) -> None:
    """`sekisho ingest`, end to end."""
    subprocess.run([SEKISHO, "ingest", path, "--state", state, "--json"], check=True, stdout=subprocess.DEVNULL)


def turn(path: Path, state: Path, count: int) -> tuple[Cost, Cost]:
    """The baseline, and `sekisho ingest` into an empty store; the rows are counted back."""
    shutil.rmtree(state, ignore_errors=True)
    base, own = cost(lambda: bare(path)), cost(lambda: ours(path, state))
    counted = subprocess.run(
        [SEKISHO, "events", "search", "--count", "--state", state], check=True, capture_output=True, text=True
    ).stdout
    if int(counted) != count:
        sys.exit(f"{counted} events are in the store, {count} were in the file")
    return base, own


def peak(path: Path, state: Path) -> float:
    """MiB of the largest process of `sekisho ingest`; asked of a small one, for whom this one's own do not count."""
    words = [sys.executable, "-c", _PEAK, SEKISHO, "ingest", path, "--state", state, "--json"]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout) / 1024


def split(path: Path, folder: Path) -> dict[str, float]:
    """Where the time goes: microseconds of one processor for an event, each step without those before it."""
    source = next(files := stream.sources(path))
    some = list(stretches.of(source, stream.Chunks(source.file), Writer.largest))[-3:]  # the smaller ones
    clock, origin = Clock(UTC, now()), Origin("bench", bytes(16))
    lines = [line for one in some for block in one.blocks() for line in stream.lines(block)]

    def blocks() -> Iterator[Block]:
        return (block for one in some for block in one.blocks())

    def pieces() -> Iterator[Piece]:
        return (piece for block in blocks() for piece in reading.in_block(block, None, clock))

    def columns() -> list[Batch]:
        made = []
        for one in some:
            made.append(Batch(folder))
            for block in one.blocks():
                made[-1].add(*reading.known(reading.in_block(block, None, clock), origin))
        return made

    steps: dict[str, Callable[[], object]] = {
        "read": lambda: deque(blocks(), 0),
        "split into lines": lambda: deque((line for block in blocks() for line in stream.lines(block)), 0),
        "orjson.loads": lambda: deque((orjson.loads(one.data) for block in blocks() for one in stream.lines(block)), 0),
        "time, own identity": lambda: deque(pieces(), 0),
        "ECS": lambda: deque((ecs.of(one.what.record) for one in pieces()), 0),
        "id": lambda: [reading.known(reading.in_block(block, None, clock), origin) for block in blocks()],
        "columns": columns,
        "Parquet": lambda: [ingesting.prepare(Batch(folder), one, origin, clock) for one in some],
    }
    gc.disable()
    found, before = {}, 0.0
    for name, work in steps.items():
        took = []
        for _ in range(TURNS):
            begun = time.process_time()
            work()
            took.append((time.process_time() - begun) / len(lines) * 1e6)
        found[name], before = min(took) - before, min(took)
    gc.enable()
    files.close()
    return found


def main(megabytes: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path, state = Path(folder) / "events.json", Path(folder) / "state"
        some = recordings()
        lines: set[int] = set()
        commands: set[int] = set()
        count = commanded = 0
        with path.open("wb") as file:
            for line in varied(some, megabytes * 1_000_000):
                file.write(line + b"\n")
                lines.add(hash(line))
                count += 1
                if command := orjson.loads(line).get("CommandLine"):
                    commands.add(hash(command))
                    commanded += 1
        size = path.stat().st_size
        print(f"{count:,} events of {size / count:,.0f} octets")
        print(
            f"  distinct: {len(lines) / count:.3f} of the lines, {len(commands) / commanded:.3f} of the command lines"
        )
        one = Path(folder) / "one.json"
        one.write_bytes(b"{}\n")
        begun = min(cost(lambda: ours(one, state)) for _ in range(TURNS))
        pairs = [turn(path, state, count) for _ in range(TURNS)]
        memory = peak(path, Path(folder) / "again")
        for name, costs in zip(
            ("orjson.loads, two processes", "sekisho ingest"), zip(*pairs, strict=True), strict=True
        ):
            clock, cpu = (statistics.median(each) for each in zip(*costs, strict=True))
            print(f"  {name}: {clock:.2f} s, {count / clock:,.0f} events/s; {cpu:.2f} s of processors")
        clock, cpu = (statistics.median(base[n] / own[n] for base, own in pairs) for n in (0, 1))
        print(f"  ratio: {clock:.2f} by the clock (aim {AIM}), {cpu:.2f} by processors")
        print(f"  memory: the largest process had {memory:.0f} MiB")
        print(f"  a file of one event: {begun.clock:.2f} s, {begun.cpu:.2f} s of processors")
        print("  of one processor, for an event:")
        for name, took in split(path, Path(folder)).items():
            print(f"    {name:<20}{took:6.2f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
