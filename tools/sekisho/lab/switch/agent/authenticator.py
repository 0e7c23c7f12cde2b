"""One hostapd a port. In a common process one terminal could throw out another by its MAC address alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sekisho.lab.switch.agent.settings import RUN, SECRET, Settings

Event = Callable[[str, str], None]  # what happened (hostapd's own word), and to which MAC address
_EVENTS = {
    "CTRL-EVENT-EAP-SUCCESS2",
    "CTRL-EVENT-EAP-FAILURE2",
    "CTRL-EVENT-EAP-TIMEOUT-FAILURE2",
    "AP-STA-CONNECTED",
    "AP-STA-DISCONNECTED",
}


@dataclass(frozen=True)
class Station:
    """What hostapd says of a terminal that it let in."""

    vlan: int
    session: str


class Authenticator:
    """hostapd on one port, spoken to over its control socket."""

    def __init__(self, settings: Settings, port: str, event: Event) -> None:
        self._settings = settings
        self._port = port
        self._event = event
        self._folder = RUN / port
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._answer: asyncio.Future[str] | None = None
        self._speaking = asyncio.Lock()

    async def start(self) -> None:
        """Start hostapd, if it does not run, and put it on the port."""
        if self._process is None or self._process.returncode is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "hostapd.conf").touch(mode=0o600)
            (self._folder / "hostapd.conf").write_text(self._configuration())
            vlans = "".join(f"{vlan} v{vlan}\n" for vlan in self._settings.vlans)
            (self._folder / "vlans").write_text(vlans)
            (self._folder / "global").unlink(missing_ok=True)
            self._process = await asyncio.create_subprocess_exec(
                "/usr/sbin/hostapd", "-g", str(self._folder / "global"), stdout=asyncio.subprocess.DEVNULL
            )
            self._watch = asyncio.create_task(self._wait(self._process))
        await self._global("ADD bss_config=" + f"{self._port}:{self._folder / 'hostapd.conf'}")
        self._control = self._connect(self._folder / "control" / self._port, "agent")
        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control, self._read)
        await self.ask("ATTACH")

    async def remove(self) -> None:
        """Take hostapd off the port: it forgets every terminal, and ends their sessions with the RADIUS server."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
            with contextlib.suppress(OSError, TimeoutError):
                await self._global(f"REMOVE {self._port}")

    async def invite(self, mac: str) -> None:
        """Ask a terminal at once to prove who it is, without waiting until it speaks."""
        await self.ask(f"NEW_STA {mac}")

    async def dismiss(self, mac: str) -> None:
        """Forget one terminal."""
        await self.ask(f"DEAUTHENTICATE {mac}")

    async def station(self, mac: str) -> Station | None:
        """What hostapd knows of a terminal, or None when it has not let it in."""
        told = await self.ask(f"STA {mac}")
        values = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        if "[AUTHORIZED]" not in values.get("flags", "") or not values.get("vlan_id", "").isdigit():
            return None
        return Station(int(values["vlan_id"]), values.get("dot1xAuthSessionId", ""))

    async def ask(self, command: str) -> str:
        """Send a command and return the answer; events that came before it have been reported by then."""
        async with self._speaking:
            if self._control is None:
                return ""
            self._answer = asyncio.get_running_loop().create_future()
            try:
                self._control.send(command.encode())
                return await asyncio.wait_for(self._answer, 2.0)
            except (OSError, TimeoutError):
                return ""
            finally:
                self._answer = None

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while self._control is not None:
                text = self._control.recv(1 << 16).decode(errors="replace")
                if not text.startswith("<"):
                    if self._answer is not None and not self._answer.done():
                        self._answer.set_result(text)
                    continue
                words = text.partition(">")[2].split()
                if len(words) >= 2 and words[0] in _EVENTS:
                    self._event(words[0], words[1])

    def _connect(self, path: Path, own: str) -> socket.socket:
        mine = self._folder / own
        mine.unlink(missing_ok=True)
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        handle.bind(str(mine))
        handle.connect(str(path))
        return handle

    async def _global(self, command: str) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(200):
            try:
                handle = self._connect(self._folder / "global", "agent-global")
                break
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.01)  # hostapd is not that far yet
        else:
            raise TimeoutError(f"hostapd of {self._port} does not answer")
        with handle:
            handle.setblocking(False)
            await loop.sock_sendall(handle, command.encode())
            told = await asyncio.wait_for(loop.sock_recv(handle, 256), 5.0)
        if not told.startswith(b"OK"):
            raise RuntimeError(f"hostapd of {self._port} refused {command.split(maxsplit=1)[0]}")

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._event("DIED", "")

    def _configuration(self) -> str:
        settings, secret = self._settings, SECRET.read_text().strip()
        servers = "".join(
            f"{kind}_server_addr={settings.radius}\n{kind}_server_port={port}\n{kind}_server_shared_secret={secret}\n"
            for kind, port in (("auth", 1812), ("acct", 1813))
        )
        return (
            f"interface={self._port}\ndriver=wired\nctrl_interface={self._folder / 'control'}\n"
            "ieee8021x=1\neap_server=0\nuse_pae_group_addr=1\n"
            f"eap_reauth_period={settings.reauth_period}\n"
            f"own_ip_addr={settings.address}\nnas_identifier={settings.name}/{self._port}\n"
            f"radius_client_addr={settings.address}\n{servers}"
            f"dynamic_vlan=2\nvlan_file={self._folder / 'vlans'}\n"
        )
