"""One terminal's port: closed until RADIUS names a VLAN, and closed again for every reason there is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable
from typing import Any

from sekisho.lab.switch.agent import link, radius
from sekisho.lab.switch.agent.authenticator import Authenticator
from sekisho.lab.switch.agent.bridge import Bridge
from sekisho.lab.switch.agent.client import Client
from sekisho.lab.switch.agent.presence import Presence
from sekisho.lab.switch.agent.session import Session
from sekisho.lab.switch.agent.settings import Settings

_BOUNCE = 0.15  # seconds that the carrier is away when a cable is put elsewhere
_MAB_AGAIN = 30.0  # seconds until a refused silent terminal is asked for again
_QUIET = 20.0  # seconds until a refused terminal is asked again: a supplicant does not ask by itself
_SESSION_TIMEOUT, _ADMIN_RESET, _LOST_CARRIER = 5, 6, 2  # Acct-Terminate-Cause (RFC 2866, 5.10)


class Port:
    """Events come into one queue and are dealt with one after another, so that none meets a half-changed port."""

    def __init__(self, settings: Settings, name: str, bridge: Bridge, client: Client) -> None:
        self.name = name
        self.nas = f"{settings.name}/{name}"
        self._settings = settings
        self._bridge = bridge
        self._client = client
        self._queue: asyncio.Queue[Awaitable[None]] = asyncio.Queue()
        self._authenticator = Authenticator(settings, name, lambda word, mac: self._post(self._eap(word, mac)))
        self._session: Session | None = None
        self._mode = "out"
        self._link = False
        self._presence = Presence(name, self._appeared)
        self._round = 0  # counts up whenever what is on its way is no longer wanted
        self._tasks: set[asyncio.Task[Any]] = set()

    def _post(self, work: Awaitable[None]) -> None:
        self._queue.put_nowait(work)

    async def run(self) -> None:
        """Deal with events for ever; any error is the agent's end, and its next start closes every port."""
        while True:
            await (await self._queue.get())

    def _background(self, work: Any) -> None:  # noqa: ANN401 - a coroutine of any result
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def status(self) -> dict[str, Any]:
        """What an operator sees; the VLAN is what the database says."""
        session = self._session
        return {
            "plug": self._mode,
            "link": self._link,
            "vlan": self._bridge.vlan(self.name),
            "authorized": session is not None,
            "mac": session.mac if session else None,
            "method": session.method if session else None,
            "session": session.identity if session else None,
            "since": session.since if session else None,
        }

    # What happens to a port, from outside

    def plugged(self, mode: str, *, bounce: bool = True) -> asyncio.Future[None]:
        """The cable was put to bench, desk or out."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._post(self._plug(mode, done, bounce=bounce))
        return done

    def linked(self, up: bool) -> None:
        """The carrier came or went."""
        self._post(self._carrier(up))

    def disconnect(self, packet: radius.Packet) -> asyncio.Future[int | None]:
        """A genuine Disconnect-Request; answers None once the session is ended, else the Error-Cause."""
        outcome: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._post(self._disconnect(packet, outcome))
        return outcome

    # Dealing with it

    async def _plug(self, mode: str, done: asyncio.Future[None], *, bounce: bool) -> None:
        self._mode = "out"
        await self._carrier(up=False)
        if bounce or mode == "out":
            link.set_up(self.name, up=False)
        if bounce and mode != "out":
            await asyncio.sleep(_BOUNCE)
        self._mode = mode
        if mode == "bench":
            await self._bridge.open(self.name, self._settings.bench_vlan, None)
        if mode != "out":
            link.set_up(self.name, up=True)
            if not bounce:  # else the kernel will tell that the carrier came
                await self._carrier(link.carrier(self.name))
        done.set_result(None)

    async def _carrier(self, up: bool) -> None:
        if self._mode == "out":
            up = False
        changed, self._link = self._link != up, up
        if self._mode == "bench":
            return
        if not up:
            await self._close(_LOST_CARRIER)
            await self._authenticator.remove()
            self._forget()  # last: until hostapd is gone, an EAP exchange goes on
        elif changed:
            await self._authenticator.start()
            self._presence.listen()

    def _forget(self) -> None:
        self._round += 1
        self._presence.forget()

    def _appeared(self, mac: str, eapol: bool) -> None:
        if not eapol:  # hostapd answers EAPOL by itself
            self._post(self._invite(mac))
        self._later(self._settings.mab_after, mac)

    def _later(self, seconds: float, mac: str) -> None:
        this = self._round
        asyncio.get_running_loop().call_later(seconds, lambda: self._post(self._silent(mac, this)))

    async def _invite(self, mac: str) -> None:
        if self._link and self._mode == "desk" and self._session is None:
            await self._authenticator.invite(mac)

    async def _open(self, session: Session) -> None:
        self._presence.rest()
        await self._bridge.open(self.name, session.vlan, session.mac)
        self._session = session

    async def _close(self, cause: int) -> Session | None:
        """Close the port, in effect on return; answers whose session that ended."""
        session, self._session = self._session, None
        await self._bridge.close(self.name)
        if session is not None and session.timer is not None:
            session.timer.cancel()
        if session is not None and session.method == "mab":
            self._background(self._client.account(self.nas, session.mac, session.identity, start=False, cause=cause))
        return session

    async def _again(self, mac: str | None) -> None:
        """A fresh authenticator, for whoever is there: hostapd keeps a dead station for seconds otherwise."""
        await self._authenticator.remove()
        self._forget()
        if self._link and self._mode == "desk":
            await self._authenticator.start()
            self._presence.listen()
            if mac is not None:
                self._presence.expect(mac)
                await self._authenticator.invite(mac)
                self._later(self._settings.mab_after, mac)

    # 802.1X

    async def _eap(self, word: str, mac: str) -> None:
        if word == "DIED":
            await self._close(_LOST_CARRIER)
            if self._mode == "desk" and self._link:
                await self._again(None)
            return
        if self._mode != "desk" or not self._link:
            return
        session = self._session
        if word in {"CTRL-EVENT-EAP-SUCCESS2", "AP-STA-CONNECTED"}:
            await self._succeeded(mac)
        elif session is not None and session.method == "eap" and session.mac == mac:
            await self._close(_SESSION_TIMEOUT)
            self._presence.listen()
            if word == "AP-STA-DISCONNECTED":  # expired: whoever is there may ask anew, at once
                await self._authenticator.invite(mac)
        elif session is None:
            this = self._round
            asyncio.get_running_loop().call_later(_QUIET, lambda: self._post(self._refused(mac, this)))

    async def _refused(self, mac: str, this: int) -> None:
        if this == self._round and self._session is None:
            await self._again(mac)

    async def _succeeded(self, mac: str) -> None:
        station = await self._authenticator.station(mac)
        if station is None:
            return
        session = self._session
        if session is not None and session.mac != mac:
            await self._authenticator.dismiss(mac)  # one port, one terminal
            return
        if session is not None and session.method == "eap" and session.vlan == station.vlan:
            session.identity = station.session
            return
        if session is not None:
            await self._close(_ADMIN_RESET)
        self._round += 1
        await self._open(Session("eap", mac, station.vlan, station.session, time.time()))

    # MAC authentication of a silent terminal

    async def _silent(self, mac: str, this: int) -> None:
        if this == self._round and self._session is None and not self._presence.speaks(mac):
            self._background(self._ask(mac, this))

    async def _ask(self, mac: str, this: int) -> None:
        identity = os.urandom(8).hex().upper()
        accepted = await self._client.authenticate(self.nas, mac, identity)
        self._post(self._answered(mac, identity, accepted, this))

    async def _answered(self, mac: str, identity: str, accepted: radius.Packet | None, this: int) -> None:
        if this != self._round or self._session is not None:
            return
        vlan = accepted.vlan() if accepted else None
        if accepted is None or vlan not in self._settings.vlans:
            self._later(_MAB_AGAIN, mac)
            return
        session = Session("mab", mac, vlan, identity, time.time())
        await self._open(session)
        self._background(self._client.account(self.nas, mac, identity, start=True))
        if seconds := accepted.number(radius.SESSION_TIMEOUT):
            session.timer = asyncio.get_running_loop().call_later(seconds, lambda: self._post(self._expire(session)))

    async def _expire(self, session: Session) -> None:
        if self._session is session:
            await self._close(_SESSION_TIMEOUT)
            await self._again(session.mac)

    # RFC 5176

    async def _disconnect(self, packet: radius.Packet, outcome: asyncio.Future[int | None]) -> None:
        with contextlib.suppress(asyncio.InvalidStateError):
            if self._session is None and self._mode == "desk" and self._link:
                # An answer of RADIUS from before this request may be on its way: it must not open the port now.
                await self._again(self._presence.first)
            if self._session is None or not self._session.is_meant(packet):
                outcome.set_result(radius.NO_SESSION)
                return
            ended = await self._close(_ADMIN_RESET)
            outcome.set_result(None if await self._bridge.closed(self.name) else radius.NO_RESOURCES)
            await self._again(ended.mac if ended else None)
