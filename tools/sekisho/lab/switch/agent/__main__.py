"""Starts the port agent: every port closed first, then each as it is plugged."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import traceback

from sekisho.lab.switch.agent import front, link
from sekisho.lab.switch.agent import settings as files
from sekisho.lab.switch.agent.bridge import Bridge
from sekisho.lab.switch.agent.client import Client
from sekisho.lab.switch.agent.port import Port


def _end(task: asyncio.Task[None] | None = None) -> None:
    """Nothing can be vouched for any more: systemd starts us anew, and a start closes every port first."""
    if task is not None and not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)
    else:
        print("connection to Open vSwitch lost", file=sys.stderr)
    os._exit(1)


async def _addressed(address: str) -> None:
    """Until the management address is there: hostapd binds to it."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                return probe.bind((address, 0))
            except OSError:
                await asyncio.sleep(0.05)


async def _plug(ports: dict[str, Port], modes: dict[str, str], *, bounce: bool) -> None:
    await asyncio.gather(*(ports[name].plugged(mode, bounce=bounce) for name, mode in modes.items()))


async def main() -> None:
    """Run until killed."""
    settings = files.read()
    secret = files.SECRET.read_text().strip()
    bridge = Bridge(settings, _end)
    await bridge.start()
    client = Client(settings.radius, settings.address, secret)
    ports = {name: Port(settings, name, bridge, client) for name in settings.terminals}
    workers = [asyncio.create_task(port.run()) for port in ports.values()]
    for worker in workers:
        worker.add_done_callback(_end)

    handle = link.watch()

    def changed() -> None:
        for name, up in link.changes(handle):
            if name in ports:
                ports[name].linked(up)

    asyncio.get_running_loop().add_reader(handle, changed)
    await _plug(ports, {name: mode for name, mode in settings.modes.items() if mode != "desk"}, bounce=False)
    await _addressed(settings.address)
    await front.listen(settings.address, ports, secret)
    # The carrier goes and comes, as when a switch starts: terminals notice that they have to prove themselves again.
    await _plug(ports, {name: mode for name, mode in settings.modes.items() if mode == "desk"}, bounce=True)
    await front.attend(ports)
    await asyncio.gather(*workers)


if __name__ == "__main__":
    asyncio.run(main())
