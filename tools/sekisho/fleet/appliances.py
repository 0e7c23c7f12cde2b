"""Which devices without 802.1X get their fixed VLAN today: those whose ledger entry and approval agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sekisho.core.language import Both
from sekisho.fleet.terminal import KINDS, Terminal
from sekisho.policy.devices import Device, Devices


@dataclass(frozen=True)
class Verdict:
    """Whether a device's port is opened by its MAC address; `why` is None when it is."""

    device: Device
    terminal: Terminal | None
    why: Both | None

    @property
    def given(self) -> bool:
        """The device gets its fixed VLAN."""
        return self.why is None


def judge(devices: Devices, terminals: Iterable[Terminal], day: date) -> list[Verdict]:
    """A verdict for every device of the policy on `day`, in the policy's order."""
    known = {one.asset: one for one in terminals}
    return [Verdict(device, known.get(device.asset), _why_not(device, known, day)) for device in devices.devices]


def given(devices: Devices, terminals: Iterable[Terminal], day: date) -> list[Terminal]:
    """The terminals of the ledger that get a fixed VLAN on `day`."""
    return [one.terminal for one in judge(devices, terminals, day) if one.given and one.terminal is not None]


def _why_not(device: Device, known: dict[str, Terminal], day: date) -> Both | None:
    terminal = known.get(device.asset)
    if terminal is None:
        return Both("台帳にこの機器がない", "the ledger has no such terminal")
    if terminal.kind not in ("printer", "other"):
        return Both(
            f"{KINDS[terminal.kind].ja}は証明書で認証しなければならない",
            f"it is a {terminal.kind} terminal, which must authenticate by certificate",
        )
    if terminal.mac != device.mac:
        return Both(f"台帳のMACアドレスは {terminal.mac}", f"the ledger has the MAC address {terminal.mac}")
    if device.expired(day):
        return Both(
            f"{device.approved_by}の承認が{device.until}に切れた",
            f"the approval by {device.approved_by} ended on {device.until}",
        )
    return None
