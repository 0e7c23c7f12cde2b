"""A terminal that was let in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sekisho.lab.switch.agent import radius


@dataclass
class Session:
    """Who is let in: `method` is eap or mab, `timer` ends a MAB session (hostapd ends its own)."""

    method: str
    mac: str
    vlan: int
    identity: str  # Acct-Session-Id
    since: float  # seconds since 1970
    timer: asyncio.TimerHandle | None = None

    def is_meant(self, packet: radius.Packet) -> bool:
        """Whether every session attribute of a request fits this session (RFC 5176, 3)."""
        station = packet.text(radius.CALLING_STATION)
        if station is not None and station.lower().replace("-", ":") != self.mac:
            return False
        identity = packet.text(radius.ACCT_SESSION)
        return identity is None or identity == self.identity
