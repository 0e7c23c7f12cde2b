"""The few OpenFlow 1.0 messages that open and close a port: who may send through it at all."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

_SOCKET = "/run/openvswitch/br0.mgmt"
_HELLO, _ERROR, _ECHO, _ECHO_REPLY, _FLOW_MOD, _BARRIER, _BARRIER_REPLY = 0, 1, 2, 3, 14, 18, 19
_ADD, _DELETE = 0, 3
_ANY = (1 << 22) - 1  # every field a wildcard
_IN_PORT, _DL_SRC, _DL_TYPE = 1 << 0, 1 << 2, 1 << 4
_NORMAL = 0xFFFA  # forward as a VLAN switch does
_NONE = 0xFFFF
TERMINAL = 0x5E  # the cookie of every flow that opens a terminal's port; the unit's ExecStopPost removes them by it


class OpenFlow:
    """A connection to the bridge's flow table. Without a flow nothing passes."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._barriers: dict[int, asyncio.Future[None]] = {}
        self._xid = 0
        self._lost = lost

    async def connect(self) -> None:
        """Connect and agree on the version."""
        self._reader, self._writer = await asyncio.open_unix_connection(_SOCKET)
        self._send(_HELLO, b"")
        self._task = asyncio.create_task(self._receive())

    def _send(self, kind: int, body: bytes) -> int:
        self._xid += 1
        self._writer.write(struct.pack("!BBHI", 1, kind, 8 + len(body), self._xid) + body)
        return self._xid

    async def _receive(self) -> None:
        try:
            while True:
                _, kind, length, xid = struct.unpack("!BBHI", await self._reader.readexactly(8))
                body = await self._reader.readexactly(length - 8)
                if kind == _ECHO:
                    self._writer.write(struct.pack("!BBHI", 1, _ECHO_REPLY, length, xid) + body)
                elif kind == _BARRIER_REPLY and xid in self._barriers:
                    self._barriers.pop(xid).set_result(None)
                elif kind == _ERROR:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self._lost()

    async def _barrier(self) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._barriers[self._send(_BARRIER, b"")] = done
        await done

    def _modify(self, command: int, priority: int, cookie: int, match: bytes, *, forward: bool = False) -> None:
        actions = struct.pack("!HHHH", 0, 8, _NORMAL, 0) if forward else b""
        body = match + struct.pack("!QHHHHIHH", cookie, command, 0, 0, priority, 0xFFFFFFFF, _NONE, 0) + actions
        self._send(_FLOW_MOD, body)

    async def start(self, fixed: list[int]) -> None:
        """Forget every flow; then let fixed ports talk, and keep EAPOL between a terminal and its authenticator."""
        self._modify(_DELETE, 0, 0, _match())
        self._modify(_ADD, 300, 0, _match(ethertype=0x888E))
        for number in fixed:
            self._modify(_ADD, 10, 0, _match(port=number), forward=True)
        await self._barrier()

    async def open(self, port: int, mac: str | None) -> None:
        """Let frames in through a terminal's port: from one MAC address, or from any (a bench)."""
        self._modify(_ADD, 100, TERMINAL, _match(port=port, mac=mac), forward=True)
        await self._barrier()

    async def close(self, port: int) -> None:
        """Let nothing in through a terminal's port; in effect on return."""
        self._modify(_DELETE, 0, 0, _match(port=port))
        await self._barrier()


def _match(*, port: int | None = None, mac: str | None = None, ethertype: int | None = None) -> bytes:
    wild = _ANY
    if port is not None:
        wild &= ~_IN_PORT
    if mac is not None:
        wild &= ~_DL_SRC
    if ethertype is not None:
        wild &= ~_DL_TYPE
    source = bytes.fromhex(mac.replace(":", "")) if mac else bytes(6)
    fields = (wild, port or 0, source, bytes(6), 0, 0, ethertype or 0, 0, 0, 0, 0, 0, 0)
    return struct.pack("!IH6s6sHBxHBB2xIIHH", *fields)
