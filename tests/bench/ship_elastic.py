"""`make bench`: our bulk writer beside `parallel_bulk` with ready-made documents, pair by pair, medians of four.

Same documents, ids, `create`, template, replicas, chunk size and threads; counted after a refresh.
bench/ship_elastic.py [EVENTS]        default 50,000; needs the recordings (SEKISHO_CORPORA)
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from elasticsearch.helpers import parallel_bulk

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "elastic"), str(ROOT / "tests" / "bench")]

from ingest import recordings, varied  # noqa: E402

from conftest import Place, place_of, server  # noqa: E402
from recordings import read  # noqa: E402
from sekisho.telemetry.elastic import bulk, document, template  # noqa: E402
from sekisho.telemetry.event import Event  # noqa: E402
from sekisho.telemetry.query import Search  # noqa: E402

AIM = 0.9
TURNS = 4
BATCH = 5000  # events that `ship` puts at once


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


def ours(place: Place, events: list[Event]) -> None:
    with place.store.writing() as writer:
        for begin in range(0, len(events), BATCH):
            writer.put(events[begin : begin + BATCH])
        if writer.refused:
            sys.exit(f"{writer.refused} refused")


def timed(place: Place, count: int, work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and seconds of this process's CPU."""
    for name in place.client.indices.get(index=template.EVENTS):
        place.client.indices.delete(index=name)
    used = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    if (found := place.store.count(Search())) != count:
        sys.exit(f"{found} events are in the store, {count} were sent")
    return seconds, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def main(count: int) -> int:
    events = events_of(count)
    documents = ready(events)
    print(f"{count:,} events of {sum(len(event.source) for event in events) / count:,.0f} octets")
    with server() as settings, tempfile.TemporaryDirectory() as folder:
        place = place_of(settings, Path(folder))
        timed(place, count, lambda: ours(place, events))  # the server warms up
        pairs = []
        for turn in range(TURNS):  # whoever comes second meets a busier server
            both: dict[str, Callable[[], None]] = {
                "theirs": lambda: theirs(place, iter(documents)),
                "ours": lambda: ours(place, events),
            }
            took = {who: timed(place, count, both[who]) for who in sorted(both, reverse=bool(turn % 2))}
            pairs.append((took["theirs"], took["ours"]))
        place.client.close()
    base, own = ([statistics.median(one) for one in zip(*some, strict=True)] for some in zip(*pairs, strict=True))
    for name, (seconds, used) in (("parallel_bulk, ready-made", base), ("sekisho, from events", own)):
        per = used * 100_000 / count
        print(f"  {name:26} {seconds:6.2f} s  {count / seconds:7,.0f} events/s  {per:5.1f} s of CPU per 100,000")
    ratios = [one[0] / two[0] for one, two in pairs]
    told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"  ratio: {statistics.median(ratios):.2f}  (aim {AIM}; of each pair: {told})")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
