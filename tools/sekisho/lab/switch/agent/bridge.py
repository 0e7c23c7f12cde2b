"""A terminal's port is open in one VLAN, for one MAC address, or it passes nothing. There is nothing in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sekisho.lab.switch.agent.openflow import OpenFlow
from sekisho.lab.switch.agent.ovsdb import Ovsdb
from sekisho.lab.switch.agent.settings import DEAD_VLAN, Settings


class Bridge:
    """The switching part: OVSDB says a port's VLAN, OpenFlow says who may send through it."""

    def __init__(self, settings: Settings, lost: Callable[[], None]) -> None:
        self._settings = settings
        self._ovsdb = Ovsdb(lost)
        self._openflow = OpenFlow(lost)

    async def start(self) -> None:
        """Connect, and close every terminal's port whatever it was before."""
        await _patiently(self._ovsdb.connect)
        dead = {name: self._dead(name) for name in self._settings.terminals}
        if set(dead) <= set(self._ovsdb.tags):
            await self._ovsdb.set_tags(dead)
        else:
            await self._ovsdb.make_bridge(self._settings.fixed | dead)
        await _patiently(self._openflow.connect)
        await self._openflow.start([self._ovsdb.ofports[name] for name in self._settings.fixed])

    def _dead(self, port: str) -> int:
        # A VLAN of its own: two closed ports in the same one would see each other.
        return DEAD_VLAN + self._settings.terminals[port]

    async def open(self, port: str, vlan: int, mac: str | None) -> None:
        """Open a closed port: first its VLAN, then the way in, for frames from `mac` only (None: a bench)."""
        await self._ovsdb.set_tags({port: vlan})
        await self._openflow.open(self._ovsdb.ofports[port], mac)

    async def close(self, port: str) -> None:
        """Close a port: first the way in, then its VLAN. In effect on return."""
        await self._openflow.close(self._ovsdb.ofports[port])
        await self._ovsdb.set_tags({port: self._dead(port)})

    async def closed(self, port: str) -> bool:
        """Whether the database itself says that a port is closed."""
        return await self._ovsdb.read_tag(port) == self._dead(port)

    def vlan(self, port: str) -> int | None:
        """The VLAN that a port is open in, as the database says, or None when it is closed."""
        tag = self._ovsdb.tags.get(port)
        return None if tag is None or tag == self._dead(port) else tag


async def _patiently(connect: Callable[[], Awaitable[None]], seconds: float = 15.0) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await connect()
        except (FileNotFoundError, ConnectionRefusedError):
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(0.02)
