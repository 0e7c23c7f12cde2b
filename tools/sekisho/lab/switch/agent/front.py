"""What the switch answers to: Disconnect-Requests on its management address, and the installer's hand on its ports."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any

from sekisho.lab.switch.agent import radius
from sekisho.lab.switch.agent.port import Port
from sekisho.lab.switch.agent.settings import RUN, keep_modes

_PORT = 3799  # RFC 5176
_FREEBIND = 15  # IP_FREEBIND
_REMEMBERED = 256  # answers kept for requests that are sent again


class DynamicAuthorization(asyncio.DatagramProtocol):
    """RFC 5176's server. A Disconnect is acknowledged once the port is closed, and never before."""

    def __init__(self, ports: Mapping[str, Port], secret: str) -> None:
        self._ports = {port.nas: port for port in ports.values()}
        self._secret = secret.encode()
        self._answers: dict[tuple[str, int, bytes], bytes | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's signature
        """Keep where answers go."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one request; the same request again gets the same answer."""
        packet = radius.request(data, self._secret)
        if packet is None or packet.code not in {radius.DISCONNECT_REQUEST, radius.COA_REQUEST}:
            return
        key = (f"{addr[0]}:{addr[1]}", packet.identifier, packet.authenticator)
        if key in self._answers:
            if (known := self._answers[key]) is not None:  # else it is being dealt with
                self._transport.sendto(known, addr)
            return
        self._answers[key] = None
        for old in list(self._answers)[:-_REMEMBERED]:
            del self._answers[old]
        task = asyncio.ensure_future(self._deal(packet, key, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deal(self, packet: radius.Packet, key: tuple[str, int, bytes], addr: tuple[str, int]) -> None:
        port = self._ports.get(packet.text(radius.NAS_IDENTIFIER) or "")
        if packet.code == radius.COA_REQUEST:
            answer = radius.reply(packet, radius.COA_NAK, self._secret, cause=radius.UNSUPPORTED)
        elif port is None:
            answer = radius.reply(packet, radius.DISCONNECT_NAK, self._secret, cause=radius.WRONG_NAS)
        elif (cause := await port.disconnect(packet)) is not None:
            answer = radius.reply(packet, radius.DISCONNECT_NAK, self._secret, cause=cause)
        else:
            answer = radius.reply(packet, radius.DISCONNECT_ACK, self._secret)
        self._answers[key] = answer
        self._transport.sendto(answer, addr)


async def listen(address: str, ports: Mapping[str, Port], secret: str) -> None:
    """Serve RFC 5176 on the management address."""
    handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    handle.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
    handle.bind((address, _PORT))
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: DynamicAuthorization(ports, secret), sock=handle)


async def attend(ports: Mapping[str, Port]) -> None:
    """Serve the installer: one JSON line asks (`plug` or `status`), one answers."""
    modes = {name: str(port.status()["plug"]) for name, port in ports.items()}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline() or "{}")
            wanted: dict[str, str] = asked.get("plug", {})
            if set(wanted) <= set(ports) and set(wanted.values()) <= {"bench", "desk", "out"}:
                modes.update(wanted)
                keep_modes(modes)
                await asyncio.gather(*(ports[name].plugged(mode) for name, mode in wanted.items()))
                answer: dict[str, Any] = {"ports": {name: port.status() for name, port in ports.items()}}
            else:
                answer = {"error": "unknown port or plug"}
        except ValueError as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    await asyncio.start_unix_server(serve, RUN / "control.sock")
