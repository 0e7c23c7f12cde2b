"""`sekisho watch` over Elasticsearch with 1, 2 and 3 data nodes, each held to a CPU quota of its own. Needs root.

bench/watch_nodes.py [MEGABYTES [PERCENT]]        default 30 MB of events, 20 % of a processor for each node

The same events, days and settings each time; a shard for each day, spread over the nodes by Elasticsearch. The
workers have no quota. The nodes have answered the same once before they are held; start-up is measured alone, with
nothing new to judge, and taken off.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "elastic"), str(ROOT / "tests" / "bench")]

import detect  # noqa: E402
import ingest  # noqa: E402
from quota import Quota  # noqa: E402

from cluster import Cluster  # noqa: E402
from conftest import Place, place_of, settings_of  # noqa: E402
from recordings import read  # noqa: E402
from sekisho.telemetry.elastic import template  # noqa: E402
from sekisho.telemetry.query import Search  # noqa: E402

WORKERS = 6  # more than there are nodes: each of them always has something to do


def watched(state: Path) -> float:
    """Seconds of a watch to its end."""
    words = [ingest.SEKISHO, "watch", "--once", "--json", "--rules", detect.RULES, "--state", state]
    begun = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*map(str, words), "--workers", str(WORKERS)], check=True, **quiet)
    return time.monotonic() - begun


def forget(state: Path) -> None:
    """Let the next watch begin anew."""
    for kept in state.glob("alerts.db*"):
        kept.unlink()


def spread(place: Place) -> str:
    """How many documents each node has."""
    rows = place.client.cat.shards(index=template.EVENTS, format="json", h="node,docs")
    found = Counter[str]()
    for row in rows:
        found[row["node"]] += int(row["docs"] or 0)
    return ", ".join(f"{count:,}" for _, count in sorted(found.items()))


def measure(nodes: int, lines: bytes, percent: int) -> float:
    """Events a second with so many nodes."""
    with Cluster(nodes, brief=False) as cluster, tempfile.TemporaryDirectory() as folder:
        place = place_of(settings_of(cluster, replicas=0), Path(folder))
        with place.store.writing() as writer:
            writer.put(read(lines))
        count = place.store.count(Search())
        start = (watched(place.folder), watched(place.folder))[1]
        forget(place.folder)
        quotas = [quota for name in cluster.names if (quota := Quota.of(cluster.process(name), percent))]
        try:
            took = watched(place.folder) - start
        finally:
            share = spread(place)
            place.client.close()
            cluster.end()
            periods, held = map(sum, zip(*(quota.end() for quota in quotas), strict=True))
    speed, held = count / took, held / max(periods, 1)
    print(
        f"  {nodes} nodes: {speed:8,.0f} events/s, held back in {held:.0%} of their periods; each has {share}",
        flush=True,
    )
    return speed


def main(megabytes: int, percent: int) -> int:
    some = list(detect.varied(ingest.recordings(), megabytes * 1_000_000, every_command=False))
    print(f"{len(some):,} events, {WORKERS} workers; each node has {percent} % of a processor")
    speeds = [measure(nodes, b"\n".join(some), percent) for nodes in (1, 2, 3)]
    print(f"  with 2 nodes {speeds[1] / speeds[0]:.2f} times, with 3 nodes {speeds[2] / speeds[0]:.2f} times as fast")
    return 0


if __name__ == "__main__":
    given = list(map(int, sys.argv[1:]))
    sys.exit(main(*given, *(30, 20)[len(given) :]))
