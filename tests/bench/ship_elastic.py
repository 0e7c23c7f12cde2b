"""`make bench`: `ship` out of a spool beside `parallel_bulk` with ready-made documents, pair by pair, medians of four.

Same documents, ids, `create`, template, replicas, chunk size and threads; TLS, connections that are kept, and nothing
compressed, on both sides; counted after a refresh. Ours reads the spool by the collector's own program, makes events
and documents of its lines, keeps its position, and asks for short answers. The server's work is told, too: it shares
the processors.
bench/ship_elastic.py [EVENTS]        default 50,000; needs the recordings (SEKISHO_CORPORA)
"""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from elasticsearch.helpers import parallel_bulk

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "playbooks" / "roles" / "collector" / "files"
sys.path[:0] = [str(ROOT / "tests" / "elastic"), str(ROOT / "tests" / "bench"), str(PROGRAM)]

from ingest import recordings, varied  # noqa: E402

from conftest import Place, place_of, server  # noqa: E402
from recordings import read  # noqa: E402
from sekisho.telemetry import spooled  # noqa: E402
from sekisho.telemetry.elastic import bulk, document, template  # noqa: E402
from sekisho.telemetry.event import Event  # noqa: E402
from sekisho.telemetry.query import Search  # noqa: E402
from sekisho.telemetry.ship import Shipper  # noqa: E402
from sekisho.telemetry.spool import Spool  # noqa: E402
from sekisho_collector.segments import Segments  # noqa: E402

AIM = 0.9
TURNS = 4


def events_of(count: int) -> list[Event]:
    return read(b"\n".join(islice(varied(recordings(), 1 << 40), count)))


def ready(events: list[Event]) -> list[dict[str, Any]]:
    """The very documents that our writer sends, as `parallel_bulk` takes them."""
    made = []
    for event in events:
        item = document.of_event(event, "2026-11-24T00:00:00.000Z")
        source = orjson.loads(item.lines.split(b"\n", 1)[1])
        made.append({"_op_type": "create", "_index": item.target, "_id": item.id, "_source": source})
    return made


def theirs(place: Place, documents: Iterator[dict[str, Any]]) -> None:
    for done, told in parallel_bulk(
        place.client, documents, thread_count=bulk.THREADS, chunk_size=bulk.ITEMS, max_chunk_bytes=bulk.OCTETS
    ):
        if not done:
            sys.exit(f"refused: {told}")


def spool_of(folder: Path, lines: list[bytes]) -> Spool:
    """A spool as the collector leaves it, and the collector's own answer to what is asked of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    segments = Segments(folder, folder / "durable")
    for begin in range(0, len(lines), 1000):
        segments.append(b"".join(lines[begin : begin + 1000]))
    segments.close()
    program = f"{sys.executable} -P -m sekisho_collector answer --spool={folder} --status={folder / 'durable'}"
    return Spool(["sh", "-c", f'PYTHONPATH={PROGRAM} SSH_ORIGINAL_COMMAND="$*" exec {program}', "spool"])


def sent(events: list[Event]) -> list[bytes]:
    """These events' records as Winlogbeat would have sent them."""
    common = {"at": 1_795_500_000_000_000, "peer": "PC-0001", "via": "lumberjack"}
    return [orjson.dumps({**common, "raw": event.source.decode()}) + b"\n" for event in events]


def ours(place: Place, spool: Spool) -> None:
    with place.store.writing() as writer:
        Shipper(spool, writer, ZoneInfo("Asia/Tokyo"), place.folder).ship(lambda _: None)
        if writer.refused:
            sys.exit(f"{writer.refused} refused")


class Cost(NamedTuple):
    """Seconds: as the clock has them, of our processors and of the server's."""

    clock: float
    client: float
    server: float

    @property
    def cpu(self) -> float:
        return self.client + self.server


def timed(place: Place, count: int, work: Callable[[], None]) -> Cost:
    """What it costs to put so many events into an empty store."""
    for name in place.client.indices.get(index=template.EVENTS):
        place.client.indices.delete(index=name)
    before = Cost(time.perf_counter(), spent(), served(place))
    work()
    after = Cost(time.perf_counter(), spent(), served(place))
    if (found := place.store.count(Search())) != count:
        sys.exit(f"{found} events are in the store, {count} were sent")
    return Cost(*(end - begin for begin, end in zip(before, after, strict=True)))


def served(place: Place) -> float:
    """Seconds of CPU of the server's nodes."""
    nodes = place.client.nodes.stats(metric="process", filter_path="nodes.*.process.cpu.total_in_millis")["nodes"]
    return sum(node["process"]["cpu"]["total_in_millis"] for node in nodes.values()) / 1000


def spent() -> float:
    """Seconds of CPU of this process and of those that it started and that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def main(count: int) -> int:
    lines = sent(events_of(count))
    events = spooled.read(lines, ZoneInfo("Asia/Tokyo")).events
    documents = ready(events)
    print(f"{count:,} events of {sum(len(event.source) for event in events) / count:,.0f} octets")
    with server() as settings, tempfile.TemporaryDirectory() as folder:
        place, room = place_of(settings, Path(folder)), Path(folder) / "spool"
        spool = spool_of(room, lines)
        timed(place, count, lambda: ours(place, spool))  # the server warms up
        pairs: list[tuple[Cost, Cost]] = []
        for turn in range(TURNS):  # whoever comes second meets a busier server
            spool = spool_of(room, lines)
            both: dict[str, Callable[[], None]] = {
                "theirs": lambda: theirs(place, iter(documents)),
                "ours": lambda spool=spool: ours(place, spool),
            }
            took = {who: timed(place, count, both[who]) for who in sorted(both, reverse=bool(turn % 2))}
            pairs.append((took["theirs"], took["ours"]))
        place.client.close()
    for name, costs in zip(("parallel_bulk, ready-made", "sekisho ship"), zip(*pairs, strict=True), strict=True):
        clock, client, server_side = (statistics.median(each) for each in zip(*costs, strict=True))
        per = 100_000 / count
        print(f"  {name:26} {clock:6.2f} s  {count / clock:7,.0f} events/s", end="")
        print(f"  CPU per 100,000: {client * per:5.1f} s, and {server_side * per:5.1f} s of the server")
    for what, ratios in (
        ("by the clock", [base.clock / own.clock for base, own in pairs]),
        ("by CPU of both sides", [base.cpu / own.cpu for base, own in pairs]),
    ):
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  ratio {what}: {statistics.median(ratios):.2f}  (aim {AIM}; of each pair: {told})")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
