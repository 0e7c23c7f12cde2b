"""Asks the RADIUS server: by MAC address for a terminal without 802.1X, and accounts for its session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from sekisho.lab.switch.agent import radius

_AUTHENTICATION, _ACCOUNTING = 1812, 1813
_TRIES, _PATIENCE = 3, 2.0  # seconds for each try

Build = Callable[[int], tuple[bytes, bytes]]


class _Exchange(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's signature
        self.came.put_nowait(data)


class Client:
    """A RADIUS client. Each request has a socket of its own, so that identifiers never meet."""

    def __init__(self, server: str, address: str, secret: str) -> None:
        self._server = server
        self._address = address
        self._secret = secret.encode()

    async def _ask(self, port: int, build: Build) -> radius.Packet | None:
        loop = asyncio.get_running_loop()
        data, asked = build(os.urandom(1)[0])
        try:
            transport, exchange = await loop.create_datagram_endpoint(
                _Exchange, local_addr=(self._address, 0), remote_addr=(self._server, port)
            )
        except OSError:  # no way to the server: as good as no answer
            return None
        try:
            for _ in range(_TRIES):
                transport.sendto(data)
                until = loop.time() + _PATIENCE
                while (left := until - loop.time()) > 0:
                    try:
                        came = await asyncio.wait_for(exchange.came.get(), left)
                    except TimeoutError:
                        break
                    if (packet := radius.answer(came, asked, self._secret)) is not None:
                        return packet
            return None
        finally:
            transport.close()

    def _common(self, nas: str, mac: str, session: str) -> radius.Attributes:
        return [
            (radius.USER_NAME, mac.replace(":", "").encode()),
            (radius.NAS_IDENTIFIER, nas.encode()),
            (radius.NAS_IP, bytes(int(part) for part in self._address.split("."))),
            (radius.CALLING_STATION, mac.replace(":", "-").upper().encode()),
            (radius.NAS_PORT_TYPE, radius.number(15)),  # Ethernet
            (radius.NAS_PORT_ID, nas.rsplit("/", 1)[-1].encode()),
            (radius.ACCT_SESSION, session.encode()),
        ]

    async def authenticate(self, nas: str, mac: str, session: str) -> radius.Packet | None:
        """The server's Access-Accept for a MAC address, or None: it refused, or gave no answer."""
        name = mac.replace(":", "")
        attributes = [*self._common(nas, mac, session), (radius.SERVICE_TYPE, radius.number(10))]  # Call-Check
        packet = await self._ask(
            _AUTHENTICATION,
            lambda identifier: radius.access_request(identifier, attributes, name, self._secret),
        )
        return packet if packet and packet.code == radius.ACCESS_ACCEPT else None

    async def account(self, nas: str, mac: str, session: str, *, start: bool, cause: int = 0) -> None:
        """Tell the server that a session started or ended; `cause` is the Acct-Terminate-Cause."""
        attributes = [*self._common(nas, mac, session), (radius.ACCT_STATUS, radius.number(1 if start else 2))]
        if cause:
            attributes.append((radius.ACCT_TERMINATE_CAUSE, radius.number(cause)))
        await self._ask(_ACCOUNTING, lambda identifier: radius.accounting_request(identifier, attributes, self._secret))
