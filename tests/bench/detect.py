"""`make bench`: rules over a file beside bare `orjson.loads` on the same file, alternated, medians of five.

bench/detect.py [MEGABYTES]        default 500; needs rules and recordings (SEKISHO_CORPORA)

Rules and what is made of them are kept from a first run that does not count. A second figure is of a file in which
every command line is different. rsigma runs beside ours when it is on PATH.
"""

from __future__ import annotations

import io
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import ingest
import orjson

from sekisho.detection import rulesets
from sekisho.detection.detect import ASIDE
from sekisho.detection.matching.engine import Engine
from sekisho.detection.records.record import Record
from sekisho.detection.rules.rule import Rule, Ruleset
from sekisho.detection.scan.scanner import Scanner, Suspects
from sekisho.telemetry import stream, stretches

SIGMAHQ = ingest.CORPORA / "sigmahq"
RULES = SIGMAHQ / "rules" / "windows"
AIM, TURNS = 0.5, 5
FEW, MANY = 300, 3000
_PEAK = """
import os, subprocess, sys, threading, time
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
most = 0
def family(pid):
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in open(f"/proc/{pid}/task/{task}/children").read().split():
                yield from family(int(child))
    except OSError:
        pass
def proportional(pid):
    try:
        return next(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0
while process.poll() is None:
    most = max(most, sum(map(proportional, family(process.pid))))
    time.sleep(0.1)
print(most)
"""


def varied(some: list[dict[str, Any]], octets: int, *, every_command: bool) -> Iterator[bytes]:
    """As `ingest.varied`, of all recordings mixed; with arguments of its own in each command line if that is asked."""
    mixed = list(some)
    random.Random(2).shuffle(mixed)
    for number, line in enumerate(ingest.varied(mixed, octets)):
        if every_command and b'"CommandLine":"' in line:
            yield line.replace(b'"CommandLine":"', b'"CommandLine":"%x ' % (number * 2_654_435_761 % 2**32), 1)
        else:
            yield line


def ours(path: Path, state: Path, *more: str) -> list[str | Path]:
    """`sekisho detect`, end to end."""
    return [ingest.SEKISHO, "detect", "--rules", RULES, "--events", path, "--json", "--state", state, *more]


def run(words: Sequence[str | Path]) -> int:
    """Run it; how many lines it wrote."""
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.count(b"\n")


def rsigma(path: Path) -> None:
    """rsigma as two processes, each on one half."""
    size, half = path.stat().st_size, path.with_suffix(".half")
    with path.open("rb") as file:
        file.seek(size // 2)
        middle = size // 2 + len(file.readline())
    words = ["rsigma", "engine", "eval", "-r", str(RULES), "-p", "sysmon", "-e"]
    both = []
    for count, (begin, end) in enumerate(((0, middle), (middle, size))):
        part = half.with_suffix(f".{count}")
        if not part.exists():
            with path.open("rb") as file, part.open("wb") as out:
                file.seek(begin)
                out.write(file.read(end - begin))
        both.append(subprocess.Popen([*words, f"@{part}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    if any(one.wait() for one in both):
        print("  rsigma ended with an error")


def split(path: Path, ruleset: Ruleset, state: Path) -> dict[str, float]:
    """Microseconds of one processor for an event: reading lines, looking through them, and deciding the rest."""
    _, cache = rulesets.read([RULES], state)
    engine, scanner = Engine(ruleset), Scanner(ruleset.rules, cache, ASIDE)
    source = next(files := stream.sources(path))
    some = list(stretches.of(source, stream.Chunks(source.file), 32 * 1024 * 1024))[1:3]  # the last ones are small

    def rows() -> Iterator[list[memoryview]]:
        for one in some:
            for block in one.blocks():
                yield stream.rows(block.data)

    steps: dict[str, Callable[[], object]] = {
        "reading": lambda: sum(map(len, rows())),
        "looking": lambda: sum(1 for block in rows() for _ in scanner.suspects(block)),
        "deciding": lambda: sum(decided(engine, block, scanner.suspects(block)) for block in rows()),
    }
    count, before, found = sum(map(len, rows())), 0.0, {}
    for name, work in steps.items():
        took = []
        for _ in range(TURNS):
            begun = time.process_time()
            work()
            took.append((time.process_time() - begun) / count * 1e6)
        found[name], before = min(took) - before, min(took)
    files.close()
    return found


def decided(engine: Engine, lines: Sequence[memoryview], suspects: Iterable[tuple[int, Suspects]]) -> int:
    """How many rules match, of those that could."""
    return sum(
        1
        for place, among in suspects
        if among is not None
        for _ in engine.hits(Record(orjson.loads(lines[place])), among)
    )


def by_number_of_rules(path: Path, rules: Sequence[Rule]) -> list[float]:
    """Microseconds for an event without reading it, with FEW and with MANY rules, drawn by hash of their ids."""
    drawn = sorted(rules, key=lambda rule: sha256(rule.id.encode()).digest())
    blocks = [stream.rows(one.data) for one in some_blocks(path)]
    found = []
    for number in (FEW, MANY):
        engine, scanner = Engine(Ruleset(tuple(drawn[:number]))), Scanner(drawn[:number], None, ASIDE)
        took = []
        for _ in range(TURNS + 1):  # by the first, plans are made
            begun = time.process_time()
            for lines in blocks:
                decided(engine, lines, scanner.suspects(lines))
            took.append((time.process_time() - begun) / sum(map(len, blocks)) * 1e6)
        found.append(min(took))
    return found


def some_blocks(path: Path) -> Iterator[stream.Block]:
    """The first 100 MB of a file, as they are read."""
    with path.open("rb") as file:
        for one in stream.blocks(stream.Chunks(io.BytesIO(file.read(100_000_000))), size=1024 * 1024):
            if isinstance(one, stream.Block):
                yield one


def measure(path: Path, state: Path, count: int) -> None:
    run(ours(path, state))
    pairs = [
        (ingest.cost(lambda: ingest.bare(path)), ingest.cost(lambda: run(ours(path, state)))) for _ in range(TURNS)
    ]
    for name, costs in zip(("orjson.loads, two processes", "sekisho detect"), zip(*pairs, strict=True), strict=True):
        clock, cpu = (statistics.median(each) for each in zip(*costs, strict=True))
        print(f"  {name}: {clock:.2f} s, {count / clock:,.0f} events/s; {cpu:.2f} s of processors")
    clock, cpu = (statistics.median(base[n] / own[n] for base, own in pairs) for n in (0, 1))
    print(f"  ratio: {clock:.2f} by the clock (aim {AIM}), {cpu:.2f} by processors")
    if shutil.which("rsigma"):
        others = [ingest.cost(lambda: rsigma(path)) for _ in range(3)]
        clock = statistics.median(one.clock for one in others)
        print(f"  rsigma, two processes: {clock:.2f} s, {count / clock:,.0f} events/s")


def main(megabytes: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path, state = Path(folder) / "events.json", Path(folder) / "state"
        some = ingest.recordings()
        for every_command in (False, True):
            lines, commands, count, commanded = set[int](), set[int](), 0, 0
            with path.open("wb") as file:
                for line in varied(some, megabytes * 1_000_000, every_command=every_command):
                    file.write(line + b"\n")
                    lines.add(hash(line))
                    count += 1
                    if b'"CommandLine"' in line and (command := orjson.loads(line).get("CommandLine")):
                        commands.add(hash(command))
                        commanded += 1
            print(f"{count:,} events of {path.stat().st_size / count:,.0f} octets")
            print(
                f"  distinct: {len(lines) / count:.3f} of the lines, {len(commands) / commanded:.3f} of command lines"
            )
            measure(path, state, count)
        one = Path(folder) / "one.json"
        one.write_bytes(b"{}\n")
        start = min(ingest.cost(lambda: run(ours(one, state))) for _ in range(TURNS))
        print(f"  a file of one event: {start.clock:.2f} s, {start.cpu:.2f} s of processors")
        words = [sys.executable, "-c", _PEAK, *map(str, ours(path, state))]
        most = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout) / 1024
        print(f"  memory: all processes together had {most:.0f} MiB")
        ruleset, _ = rulesets.read([RULES], state)
        print(f"  of one processor, for an event, with {len(ruleset.rules)} rules:")
        for name, took in split(path, ruleset, state).items():
            print(f"    {name:<20}{took:6.2f} µs")
        everything, _ = rulesets.read([SIGMAHQ], state)
        few, many = by_number_of_rules(path, everything.rules)
        print(
            f"  looking and deciding: {few:.2f} µs with {FEW} of {len(everything.rules)} rules, {many:.2f} with {MANY}"
        )
        print(f"  ratio: {many / few:.2f} (at most 2)")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
