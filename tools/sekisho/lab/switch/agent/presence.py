"""Who is at the other end of a closed port's cable, and whether it speaks 802.1X."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sekisho.lab.switch.agent.link import Listener

_KNOCK = 3.0  # seconds between two questions to a port where nobody spoke 802.1X yet
_MANY = 8  # MAC addresses that a closed port listens to; more is not a terminal


class Presence:
    """Listens while a port is closed. `appeared(mac, eapol)` is called once for each MAC address."""

    def __init__(self, port: str, appeared: Callable[[str, bool], None]) -> None:
        self._port = port
        self._appeared = appeared
        self._listener: Listener | None = None
        self._heard: dict[str, bool] = {}  # MAC address: whether it spoke EAPOL
        self._cut: int | None = None  # the last request of an EAP exchange that was not ended

    @property
    def first(self) -> str | None:
        """Who was heard first."""
        return next(iter(self._heard), None)

    def speaks(self, mac: str) -> bool:
        """Whether this MAC address spoke 802.1X."""
        return self._heard.get(mac, False)

    def expect(self, mac: str) -> None:
        """Somebody is known to be there already: it does not appear again."""
        self._heard[mac] = False

    def listen(self) -> None:
        """Start to listen, and ask whoever is there for its identity."""
        if self._listener is None:
            self._listener = Listener(self._port, self._hear, self._cut)
            asyncio.get_running_loop().add_reader(self._listener.socket, self._listener.read)
            self._knock(self._listener)

    def rest(self) -> None:
        """Listen no more: the port is open."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.socket)
            self._listener.read()
            self._cut = self._listener.cut
            self._listener.close()
            self._listener = None

    def forget(self) -> None:
        """Listen no more, and forget who was there."""
        self.rest()
        self._heard.clear()

    def _knock(self, listener: Listener) -> None:
        if self._listener is listener:
            if not any(self._heard.values()):  # never into an EAP exchange that runs
                listener.knock()
            asyncio.get_running_loop().call_later(_KNOCK, self._knock, listener)

    def _hear(self, mac: str, eapol: bool) -> None:
        if mac in self._heard:
            self._heard[mac] |= eapol
        elif len(self._heard) < _MANY:
            self._heard[mac] = eapol
            self._appeared(mac, eapol)
