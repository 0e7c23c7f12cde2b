"""A crossing is a lease: whatever is silent, dead or restarted, the port ends where RADIUS's row says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ports import PortLog

from prefecture import Prefecture, until
from sekisho.identity.assignments import Answer, Assignments

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


def test_a_terminal_that_is_silent_at_the_end_has_a_closed_port(prefecture: Prefecture, lease: Lease) -> None:
    with PortLog(prefecture, PORT) as log:
        _, end = lease.begin(6, PC)
        prefecture.do(PORT, "systemctl kill --signal=STOP sekisho-supplicant")
        try:
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
    """Thirty confirmations within 50 ms of a lease's end; each port is watched all the while."""
    assets = [f"PC-{number:04d}" for number in range(1, 7)]
    for asset in assets:
        prefecture.at_desk(asset)
    lease = Lease(prefecture)
    outcomes: list[bool] = []
    for attempt in range(5):
        with PortLog(prefecture, *(asset.lower() for asset in assets)) as log:
            leases, end = lease.begin(4, *assets)

            def late(position: int, leases: dict[str, int] = leases, end: float = end) -> tuple[str, bool]:
                asset = assets[position]
                time.sleep(max(0.0, end - time.monotonic() - 0.25 + 0.02 * ((position * 5 + attempt) % 10)))  # noqa: B023
                return asset, lease.confirm({asset: leases[asset]})[asset].done

            with ThreadPoolExecutor(len(assets)) as pool:
                said = dict(pool.map(late, range(len(assets))))
            for asset, done in said.items():
                wanted = INTERNET if done else LGWAN
                assert prefecture.row(asset).vlan == wanted
                until(lambda a=asset, w=wanted: prefecture.vlan(a.lower()) == w, 20, f"{asset} is in VLAN {wanted}")
                assert log.vlans(asset.lower())[-1] == wanted
                assert INTERNET in log.vlans(asset.lower()) or not done
                assert not (LGWAN in log.vlans(asset.lower())[1:] and done)
        outcomes += said.values()
        lease.undo({asset: leases[asset] for asset, done in said.items() if done})
        for asset in assets:
            until(lambda a=asset: prefecture.vlan(a.lower()) == LGWAN, 20, f"{asset} is home")
    print(f"\n{len(outcomes)} confirmations near the end: {sum(outcomes)} in time, {outcomes.count(False)} late")
    assert len(set(outcomes)) == 2, "the race was not one: all confirmations ended alike"
