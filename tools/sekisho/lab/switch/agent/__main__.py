"""Starts the port agent: every port closed first, then each as it is plugged."""

from __future__ import annotations

import asyncio
import os
import sys

from sekisho.lab.switch.agent import link
from sekisho.lab.switch.agent import settings as files
from sekisho.lab.switch.agent.openflow import OpenFlow
from sekisho.lab.switch.agent.ovsdb import Ovsdb


def _lost() -> None:
    # Nothing can be vouched for any more. systemd starts us anew, and a start closes every port first.
    print("connection to Open vSwitch lost", file=sys.stderr)
    os._exit(1)


async def _patiently(connect, seconds: float = 15.0) -> None:  # noqa: ANN001
    for _ in range(int(seconds / 0.02)):
        try:
            await connect()
            return
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(0.02)
    raise TimeoutError("Open vSwitch does not answer")


async def main() -> None:
    """Run until killed."""
    settings = files.read()
    ovsdb, openflow = Ovsdb(_lost), OpenFlow(_lost)
    await _patiently(ovsdb.connect)
    dead = {name: files.DEAD_VLAN + number for name, number in settings.terminals.items()}
    if set(ovsdb.tags) >= set(dead):
        await ovsdb.set_tags(dead)
    else:
        await ovsdb.make_bridge(settings.fixed | dead)
    await _patiently(openflow.connect)
    await openflow.start([ovsdb.ofports[name] for name in settings.fixed])
    for name, mode in settings.modes.items():
        if mode == "bench":
            await ovsdb.set_tags({name: settings.bench_vlan})
            link.set_up(name, up=True)
            await openflow.open(ovsdb.ofports[name], None)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
