"""The whole way on this machine: rsyslog, a wire, the collector, the shipper, and a cluster of three nodes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan

from cluster import USER, Cluster
from cut import Wire
from running import Collector
from sekisho.core.errors import Missing
from sekisho.telemetry import stores
from sekisho.telemetry.elastic import template
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.query import Search
from terminal import Terminal

_HERE = Path(__file__).parent
VICTIMS = ("rsyslog", "collector", "ship", "elasticsearch")


class Shipper:
    """`sekisho ship` beside the collector."""

    def __init__(self, state: Path, collector: Collector) -> None:
        self._state, self._collector = state, collector
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        answer = f'SSH_ORIGINAL_COMMAND="$*" exec {" ".join(self._collector.argv("answer"))}'
        argv = [sys.executable, _HERE / "shipping.py", self._state, "--", "sh", "-c", answer, "spool"]
        with (self._state / "ship.log").open("ab") as log:
            self._process = subprocess.Popen(argv, env=self._collector.environment(), stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)


class Chain:
    """Everything started, as a context; what it had is gone with the folder."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._chance, self._stack = chance, ExitStack()
        self.state = folder / "control"
        self.state.mkdir()
        self.collector = Collector(folder)
        self._folder = folder

    def __enter__(self) -> Self:
        with self._stack as stack:
            self.cluster = cluster = stack.enter_context(Cluster(3))
            self.client = Elasticsearch(cluster.urls, ca_certs=str(cluster.ca), basic_auth=(USER, cluster.password))
            stack.callback(self.client.close)
            files = {"ca_file": cluster.ca, "password_file": cluster.password_file}
            stores.choose(self.state, Settings(urls=tuple(cluster.urls), user=USER, replicas=1, **files))
            template.put(self.client, 1)
            self.collector.start()
            stack.callback(self.collector.kill)
            self.wire = Wire(self.collector.relp)
            stack.callback(self.wire.close)
            self.terminal = Terminal(self._folder / "terminal", self.collector.terminal, self.wire.port)
            self.shipper = Shipper(self.state, self.collector)
            for one in (self.terminal, self.shipper):
                one.start()
                stack.callback(one.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kill(self, victim: str) -> None:
        """Kill one, and start it again a moment later."""
        if victim == "elasticsearch":
            name = self._chance.choice(["node-1", "node-2", "node-3"])
            self.cluster.ready()  # without two of the three there is no cluster
            self.cluster.kill(name)
            self._rest()
            self.cluster.start(name)
            return
        one = {"rsyslog": self.terminal, "collector": self.collector, "ship": self.shipper}[victim]
        one.kill()
        self._rest()
        one.start()

    def count(self) -> int:
        """How many events are there; 0 while the store cannot tell, as when a new day's index is slow to start."""
        try:
            return stores.of(self.state).count(Search())
        except Missing:
            return 0

    def serials(self) -> Counter[int]:
        """How often each serial, which the generator wrote, is there."""
        self.client.indices.refresh(index=template.EVENTS)
        hits = scan(self.client, index=template.EVENTS, size=5000, _source=["event.original"])
        return Counter(json.loads(hit["_source"]["event.original"])["serial"] for hit in hits)

    def indices(self) -> set[str]:
        return set(self.client.indices.get(index=template.EVENTS))

    def _rest(self) -> None:
        time.sleep(self._chance.uniform(0, 0.5))
