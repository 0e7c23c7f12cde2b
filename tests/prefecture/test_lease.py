"""A crossing is a lease: whatever is silent, dead or restarted, the port ends where RADIUS's row says."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any, Self

import pytest

from ports import PortLog
from prefecture import Prefecture, until
from sekisho.identity.assignments import Answer, Assignments
from test_checks import all_pass

pytestmark = pytest.mark.lab
LGWAN, INTERNET, PROBATION, QUARANTINE = 10, 20, 21, 30
PC = "PC-0001"
PORT = PC.lower()
SLACK = 2.5  # seconds after a lease's end: Session-Timeout is rounded up to whole seconds, and this machine is busy


class Lease:
    """Leases begun by hand, as the run does it, with the ledger left alone: it says LGWAN before and after."""

    def __init__(self, prefecture: Prefecture) -> None:
        self.prefecture = prefecture
        self.table = Assignments(prefecture.opened())

    def begin(self, seconds: int, *assets: str) -> tuple[dict[str, int], float]:
        """Begin leases; their numbers, and the moment at which they end (monotonic)."""
        with self.prefecture.opened().transaction() as tx:
            leases = {asset: tx.next("lease") for asset in assets}
        answers = self.prefecture.inside(
            lambda: self.table.cross(
                leases, vlan=PROBATION, back=LGWAN, seconds=seconds, wave="test", gate="entry:test:passed"
            )
        )
        now = time.monotonic()
        assert all(answer.done for answer in answers.values()), answers
        for asset in assets:
            until(lambda asset=asset: self.prefecture.vlan(asset.lower()) == PROBATION, 10, f"{asset} is on probation")
        return leases, now + max(float(answer.facts["until_in"]) for answer in answers.values())

    def confirm(self, leases: dict[str, int]) -> dict[str, Answer]:
        return self.prefecture.inside(
            lambda: self.table.confirm(leases, vlan=INTERNET, wave="test", gate="exit:test:passed")
        )

    def undo(self, leases: dict[str, int]) -> None:
        """Confirmed terminals go home, as after a return gate."""
        words = {"wave": "test", "gate": "test"}
        self.prefecture.inside(lambda: self.table.quarantine(leases, vlan=QUARANTINE, **words))
        self.prefecture.inside(lambda: self.table.release(leases, vlan=LGWAN, **words))


class Lines:
    """Connections to the one command that are open already, so that a word arrives within milliseconds."""

    def __init__(self, prefecture: Prefecture, assets: list[str]) -> None:
        ssh = prefecture.state / "ssh"
        words = ("ssh", "-F", ssh / "config", "-i", ssh / "assign_ed25519", "-o", "ControlPath=none", "-T")
        self._argv = prefecture.argv(*words, "-l", "sekisho-assign", "10.9.0.3")
        self._assets = assets
        self._open: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        for asset in self._assets:
            self._open[asset] = subprocess.Popen(
                self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            self._say(asset, {"do": "table"})
        for asset in self._assets:
            self.answer(asset)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._open.values():
            process.communicate(timeout=30)

    def _say(self, asset: str, request: dict[str, object]) -> None:
        stream = self._open[asset].stdin
        assert stream is not None
        stream.write(json.dumps(request) + "\n")

    def confirm(self, asset: str, lease: int) -> None:
        words = {"do": "confirm", "cn": asset, "lease": lease, "vlan": INTERNET, "wave": "test", "gate": "test"}
        self._say(asset, words)

    def ends(self) -> dict[str, float]:
        """When each lease ends, as a monotonic time of ours, from the seconds that the server has left."""
        asked = time.monotonic()
        self._say(self._assets[0], {"do": "table"})
        rows = self._read(self._assets[0])["rows"]
        now = (asked + time.monotonic()) / 2
        return {row["cn"]: now + row["left"] for row in rows if row["cn"] in self._assets}

    def answer(self, asset: str) -> bool:
        return bool(self._read(asset)["done"])

    def _read(self, asset: str) -> dict[str, Any]:
        stream = self._open[asset].stdout
        assert stream is not None
        found: dict[str, Any] = json.loads(stream.readline())
        return found


@pytest.fixture
def lease(prefecture: Prefecture) -> Iterator[Lease]:
    prefecture.at_desk(PC)
    yield Lease(prefecture)
    prefecture.at_desk(PC)


def test_at_its_end_the_radius_server_ends_the_session(prefecture: Prefecture, lease: Lease) -> None:
    with PortLog(prefecture, PORT) as log:
        _, end = lease.begin(6, PC)
        until(lambda: prefecture.vlan(PORT) == LGWAN, 15, "it is home")
    assert log.vlans(PORT) == [LGWAN, PROBATION, LGWAN]
    assert -0.5 < log.left(PORT, PROBATION) - end < SLACK
    assert prefecture.json("status")["sound"], "a lease that has ended is no difference"
    prefecture.at_desk(PC)
    all_pass(prefecture, "entry", [PC])


def test_a_terminal_that_is_silent_at_the_end_has_a_closed_port(prefecture: Prefecture, lease: Lease) -> None:
    try:
        with PortLog(prefecture, PORT) as log:  # which ends before the terminal speaks again
            _, end = lease.begin(6, PC)
            prefecture.do(PORT, "systemctl kill --signal=STOP sekisho-supplicant")
            until(lambda: prefecture.vlan(PORT) is None, 15, "the port is closed")
            time.sleep(3)
            assert prefecture.vlan(PORT) is None
    finally:
        prefecture.do(PORT, "systemctl kill --signal=CONT sekisho-supplicant")
    assert log.vlans(PORT)[-1] == PROBATION
    assert log.left(PORT, PROBATION) - end < SLACK


def test_with_radius_dead_the_switch_closes_the_port_by_itself(prefecture: Prefecture, lease: Lease) -> None:
    with PortLog(prefecture, PORT) as log:
        _, end = lease.begin(8, PC)
        prefecture.lab.power(["radius"], on=False)
        try:
            until(lambda: prefecture.vlan(PORT) is None, 20, "the port is closed")
            assert log.left(PORT, PROBATION) - end < SLACK
        finally:
            prefecture.lab.power(["radius"], on=True)
        until(lambda: prefecture.vlan(PORT) == LGWAN, 90, "RADIUS is back, and so is the terminal")
    assert log.vlans(PORT) == [LGWAN, PROBATION, LGWAN]


@pytest.mark.parametrize(
    ("machine", "script"),
    [
        ("radius", "systemctl restart freeradius sekisho-lease"),
        (PORT, "systemctl restart sekisho-supplicant"),
    ],
)
def test_a_restart_within_the_lease_does_not_prolong_it(
    prefecture: Prefecture, lease: Lease, machine: str, script: str
) -> None:
    with PortLog(prefecture, PORT) as log:
        _, end = lease.begin(8, PC)
        prefecture.do(machine, script)
        until(lambda: prefecture.vlan(PORT) == LGWAN, 40, "it is home")
    assert log.vlans(PORT) == [LGWAN, PROBATION, LGWAN]
    last = [moment for moment, vlan in log.lines[PORT] if vlan == PROBATION][-1]
    assert last < end, "probation was given once more after the lease's end"
    gone = next(moment for moment, vlan in log.lines[PORT] if moment > last and vlan != PROBATION)
    assert gone - end < SLACK


def test_a_late_confirmation_fails(prefecture: Prefecture, lease: Lease) -> None:
    leases, end = lease.begin(3, PC)
    time.sleep(max(0.0, end - time.monotonic()) + 0.1)
    assert not lease.confirm(leases)[PC].done
    until(lambda: prefecture.vlan(PORT) == LGWAN, 15, "it is home")


def test_confirmations_that_race_with_the_end_finish_as_the_row_says(prefecture: Prefecture) -> None:
    """Thirty confirmations within about 60 ms of a lease's end; each port is watched all the while."""
    assets = [f"PC-{number:04d}" for number in range(1, 7)]
    for asset in assets:
        prefecture.at_desk(asset)
    lease = Lease(prefecture)
    outcomes: list[bool] = []
    for attempt in range(5):
        with PortLog(prefecture, *(asset.lower() for asset in assets)) as log, Lines(prefecture, assets) as lines:
            leases, _ = lease.begin(5, *assets)
            ends = lines.ends()
            around = {asset: 0.02 * ((position * 5 + attempt) % 7 - 3) for position, asset in enumerate(assets)}
            moments = {asset: ends[asset] + around[asset] for asset in assets}
            for asset, moment in sorted(moments.items(), key=lambda item: item[1]):
                time.sleep(max(0.0, moment - time.monotonic()))
                lines.confirm(asset, leases[asset])
            said = {asset: lines.answer(asset) for asset in assets}
            for asset, done in said.items():
                wanted = INTERNET if done else LGWAN
                assert prefecture.row(asset).vlan == wanted
                until(lambda a=asset, w=wanted: prefecture.vlan(a.lower()) == w, 40, f"{asset} is in VLAN {wanted}")
        for asset, done in said.items():
            assert log.vlans(asset.lower()) == [LGWAN, PROBATION, INTERNET if done else LGWAN]
        outcomes += said.values()
        lease.undo({asset: leases[asset] for asset, done in said.items() if done})
        for asset in assets:
            until(lambda a=asset: prefecture.vlan(a.lower()) == LGWAN, 40, f"{asset} is home")
    print(f"\n{len(outcomes)} confirmations near the end: {sum(outcomes)} in time, {outcomes.count(False)} late")
    assert len(set(outcomes)) == 2, "the race was not one: all confirmations ended alike"
