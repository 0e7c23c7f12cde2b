"""Starts the prober on terminals of a prefecture, and reads what it found."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import probe
import separation
from prefecture import Prefecture
from sekisho.core.clock import parse
from sekisho.core.process import run
from sekisho.evidence.chain import Chain
from sekisho.fleet import hosts
from sekisho.fleet.ledger import Ledger
from sekisho.lab import netns
from sekisho.policy import tiers as policy
from separation import Answer, Passage, Record, Step, Violation

PERIOD = 0.012  # seconds between two rounds of a terminal: 20 ms are promised, the rest is for a busy machine


class Watch:
    """A context in which every one of `assets` is probed; afterwards `records` and `violations` can be asked."""

    def __init__(self, town: Prefecture, assets: Iterable[str], *, period: float = PERIOD) -> None:
        self.town = town
        self.assets = list(assets)
        self.records: dict[str, Record] = {}
        self._period = period
        self._folder = town.folder / f"watch-{time.monotonic_ns()}"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir()
        plan, record = self._folder / "plan.json", self._folder / "record"
        plan.write_text(json.dumps(self._plan()))
        self._process = subprocess.Popen(
            [sys.executable, Path(probe.__file__), plan, record],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the prober did not start"
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _what: BaseException | None, _where: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        died = process.poll()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert died is None, f"the prober ended by itself with {died}"
        self.records = self._read(self._folder / "record")

    def _plan(self) -> dict[str, object]:
        tiers = policy.read()
        known = hosts.read(tiers).hosts
        lab = self.town.lab
        links = json.loads(run(["ip", "-n", netns.name(lab.name, "core"), "-j", "link"]).stdout)
        cards = {link["ifname"]: link["address"] for link in links}
        terminals = []
        for asset in self.assets:
            one = self.town.terminal(asset)
            addresses = {tier: str(tiers.address(tier, one.number)) for tier in probe.TIERS}
            terminals.append({"namespace": netns.name(lab.name, one.name), "mac": one.mac, "addresses": addresses})
        return {
            "period": self._period,
            "terminals": terminals,
            "gateways": {tier: cards[tiers.interface(tier)] for tier in probe.TIERS},
            "targets": {name: str(known[name].address) for name in {way.target for way in probe.WAYS}},
        }

    def _read(self, path: Path) -> dict[str, Record]:
        records = {asset: Record() for asset in self.assets}
        raw = path.read_bytes()
        for when, index, what, tier, _round in probe.ENTRY.iter_unpack(
            raw[: len(raw) // probe.ENTRY.size * probe.ENTRY.size]
        ):
            record = records[self.assets[index]]
            if what == probe.SENT:
                record.sent.append(when)
                continue
            if what == probe.OPENED:
                record.opened.append(when)
            held = what in {probe.OPENED, probe.HELD}
            way = "the held connection" if held else str(probe.WAYS[what])
            stack = not held and probe.WAYS[what].gateway is None
            record.answers.append(Answer(when, probe.TIERS[tier], way, stack, held))
        return records

    def steps(self, asset: str) -> list[Step]:
        """The ledger's history of a terminal, in the prober's clock."""
        state = self.town.opened()
        ahead = time.time() - time.monotonic()
        facts = {one.seq: one.body for one in Chain(state).records("crossing.acknowledged")}
        found: list[Step] = []
        for step in Ledger(state).history(asset):
            at = parse(step.at).timestamp() - ahead
            # What was left of the lease counts from an answer between the intent and this line: from the earlier one,
            # for a return that came a moment before its time would else look like a violation.
            left = facts.get(step.record, {}).get("until_in")
            found.append(Step(at, step.became, None if left is None else found[-1].at + left))
        return found

    def violations(self) -> dict[str, list[Violation]]:
        """Of each terminal that was in two tiers, the answers that show it."""
        found = {
            asset: separation.violations(record.answers, separation.returns(self.steps(asset)))
            for asset, record in self.records.items()
        }
        return {asset: some for asset, some in found.items() if some}

    def passages(self, *, stack: bool = True) -> dict[str, list[Passage]]:
        """Every terminal's changes of tier, see `separation.passages`."""
        return {asset: separation.passages(one.answers, stack=stack) for asset, one in self.records.items()}


def without_network(
    town: Prefecture, assets: Sequence[str], crossing: Callable[[], object]
) -> dict[str, list[Passage]]:
    """Call `crossing` while `assets` are probed; each terminal's passages, with the seconds that it had no network.

    It is what a person at the terminal would notice: address, route and host rules count. A terminal that did not
    cross has none.
    """
    with Watch(town, assets) as watch:
        crossing()
    return watch.passages()
