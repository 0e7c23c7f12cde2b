"""Control's side of the RADIUS table: one SSH connection a batch, one JSON object a line each way.

The key that it uses can do nothing else on the RADIUS server (`playbooks/roles/radius`, forced command).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sekisho.core import phrases, ssh
from sekisho.core.errors import SekishoError
from sekisho.core.language import Bilingual, Both
from sekisho.core.process import run
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State
from sekisho.fleet import hosts
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.policy import tiers as policy
from sekisho.policy.tiers import Tiers

_USER = "sekisho-assign"
_PATIENCE = 30.0  # seconds for one request, a silent switch included


@dataclass(frozen=True)
class Assignment:
    """One row of the RADIUS server's table.

    `vlan` is what it means now; `left` are the lease's seconds, if any; `held` is the live session's age in seconds.
    """

    cn: str
    serial: str
    mac: str
    vlan: int
    lease: int
    left: float | None
    revoked: bool
    nas: str | None
    sid: str | None
    held: float | None

    @property
    def on_lease(self) -> bool:
        """Whether a lease runs: one that has ended stands there until the next begins."""
        return self.left is not None and self.left > 0


@dataclass(frozen=True)
class Answer:
    """What the RADIUS server said to one request; `facts` go on the chain."""

    done: bool
    why: Both
    facts: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """One terminal on which the RADIUS server and the ledger do not agree."""

    asset: str
    what: Reason


class Assignments:
    """The table on the RADIUS server of this state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[Assignment]:
        """Every row.

        Raises:
            SekishoError: the RADIUS server cannot be asked.
        """
        rows = self._ask([{"do": "table"}])[0]["rows"]
        return [
            Assignment(
                cn=row["cn"],
                serial=row["serial"],
                mac=row["mac"],
                vlan=int(row["vlan_now"]),
                lease=int(row["lease"]),
                left=row["left"],
                revoked=bool(row["revoked"]),
                nas=row["nas"],
                sid=row["sid"],
                held=row["held"],
            )
            for row in rows
        ]

    def enrol(self, terminals: Iterable[Mapping[str, Any]]) -> dict[str, Answer]:
        """Tell certificates and MACs: each has `cn`, `serial`, `mac` and the VLAN for a terminal that is new there."""
        return self._write([{"do": "enrol", "lease": 0, "wave": "", "gate": "enrolled", **one} for one in terminals])

    def cross(
        self, leases: Mapping[str, int], *, vlan: int, back: int, seconds: int, wave: str, gate: str
    ) -> dict[str, Answer]:
        """Begin a lease in `vlan`, going `back` after `seconds`; done once the old session's end is acknowledged."""
        common = {"do": "cross", "vlan": vlan, "back": back, "seconds": seconds, "wave": wave, "gate": gate}
        return self._write([{**common, "cn": cn, "lease": lease} for cn, lease in leases.items()])

    def confirm(self, leases: Mapping[str, int], *, vlan: int, wave: str, gate: str) -> dict[str, Answer]:
        """Make `vlan` the tier for good, if the lease still runs by the RADIUS server's own clock."""
        common = {"do": "confirm", "vlan": vlan, "wave": wave, "gate": gate}
        return self._write([{**common, "cn": cn, "lease": lease} for cn, lease in leases.items()])

    def give_back(self, leases: Mapping[str, int], *, wave: str, gate: str) -> dict[str, Answer]:
        """End leases early; a lease that has ended, or was never begun, is done already."""
        common = {"do": "give_back", "wave": wave, "gate": gate}
        return self._write([{**common, "cn": cn, "lease": lease} for cn, lease in leases.items()])

    def quarantine(self, leases: Mapping[str, int], *, vlan: int, wave: str, gate: str) -> dict[str, Answer]:
        """Take confirmed terminals from the internet tier into quarantine."""
        return self._move("quarantine", leases, vlan=vlan, origin="internet", wave=wave, gate=gate)

    def release(self, leases: Mapping[str, int], *, vlan: int, wave: str, gate: str) -> dict[str, Answer]:
        """Take terminals from quarantine home."""
        return self._move("release", leases, vlan=vlan, origin="quarantine", wave=wave, gate=gate)

    def revoke(self, cns: Iterable[str]) -> dict[str, Answer]:
        """Refuse the certificates of lost terminals from now on, and end their sessions."""
        return self._write([{"do": "revoke", "cn": cn, "lease": 0, "wave": "", "gate": "revoked"} for cn in cns])

    def fix(self, devices: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Answer:
        """Replace the list of devices without 802.1X: each has `asset`, `mac`, `vlan` and `seconds`.

        With `dry_run` it is only compared: the answer's fact `changed` says whether it differs.
        """
        request = {"do": "fix", "cn": "", "lease": 0, "wave": "", "gate": "policy", "devices": list(devices)}
        return self._write([{**request, "dry_run": dry_run}])[""]

    def _move(
        self, do: str, leases: Mapping[str, int], *, vlan: int, origin: str, wave: str, gate: str
    ) -> dict[str, Answer]:
        start = policy.read().tiers[origin].vlan
        common = {"do": do, "vlan": vlan, "from": start, "wave": wave, "gate": gate}
        return self._write([{**common, "cn": cn, "lease": lease} for cn, lease in leases.items()])

    def _write(self, requests: list[dict[str, Any]]) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        for request, said in zip(requests, self._ask(requests), strict=True):
            facts = {key: value for key, value in said.items() if key not in {"cn", "done", "why"}}
            answers[str(request["cn"])] = Answer(bool(said["done"]), phrases.both(str(said["why"])), facts)
        return answers

    def _ask(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if not requests:
            return []
        address = hosts.read(policy.read()).one("radius").address
        key = self._state.path("ssh", "assign_ed25519")
        argv = ssh.forced(self._state.folder, key, _USER, str(address))
        lines = "".join(json.dumps(dict(one)) + "\n" for one in requests).encode()
        done = run(argv, stdin=lines, timeout=_PATIENCE + 8 * len(requests), check=False)
        try:
            said = [json.loads(line) for line in done.stdout.splitlines()]
        except ValueError as error:
            raise SekishoError(
                Both("認証サーバの回答が問合せと合わない", "the RADIUS server's answer is not what was asked for"),
                Both(f"認証サーバ({address})を確認する", f"look at {address}"),
            ) from error
        if len(said) != len(requests):
            told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
            raise SekishoError(
                Both(
                    f"認証サーバ({address})が{len(requests)}件中{len(said)}件しか答えない: {told}",
                    f"the RADIUS server ({address}) answered {len(said)} of {len(requests)} requests: {told}",
                ),
                Both(
                    "管理用端末で実行しているか、そこから認証サーバにsshで届くかを確認し、もう一度実行する",
                    "run this on the control machine, see that it reaches the server by ssh, and run it again:"
                    " nothing is done twice",
                ),
            )
        return said


def differences(terminals: Iterable[Terminal], table: Iterable[Assignment], tiers: Tiers) -> list[Difference]:
    """Every terminal on which the table does not say what the ledger says, in the order of asset numbers."""
    rows = {row.cn: row for row in table}
    found: list[Difference] = []
    for one in terminals:
        row = rows.pop(one.asset, None)
        if one.kind in {"printer", "other"}:
            if row is not None:
                found.append(_difference(Code.RADIUS_HAS_DEVICE, one.asset))
        elif row is None:
            found.append(_difference(Code.RADIUS_LACKS, one.asset))
        else:
            found += _compare(one, row, tiers)
    found += [_difference(Code.LEDGER_LACKS, cn) for cn in rows]
    return sorted(found, key=lambda one: one.asset)


def _compare(one: Terminal, row: Assignment, tiers: Tiers) -> list[Difference]:
    tier = tiers.tiers[one.tier]
    found = []
    if row.vlan != tier.vlan:
        found.append(_difference(Code.OTHER_VLAN, one.asset, vlan=row.vlan, tier=tier.label, expected=tier.vlan))
    if row.mac != one.mac:
        found.append(_difference(Code.OTHER_MAC, one.asset, mac=row.mac, expected=one.mac))
    if row.serial != one.serial:
        found.append(_difference(Code.OTHER_CERTIFICATE, one.asset))
    if row.on_lease and one.standing not in {Standing.PROBATION, Standing.CONFIRMING, Standing.CROSSING}:
        found.append(_difference(Code.UNKNOWN_LEASE, one.asset, seconds=round(row.left or 0)))
    return found


def _difference(code: Code, asset: str, **values: str | int | Bilingual) -> Difference:
    return Difference(asset, because(code, asset=asset, **values))
