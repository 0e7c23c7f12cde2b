"""The collector: both protocols, the spool that they fill, and the record of who was heard, until it is told to end."""

import asyncio
import os
import signal
import socket
import sys

from sekisho_collector.heard import Heard
from sekisho_collector.lumberjack import Lumberjack
from sekisho_collector.relp import Relp
from sekisho_collector.segments import Segments
from sekisho_collector.server import Server, context
from sekisho_collector.spool import Spool

SAVED = 10.0  # seconds between two records of who was heard


async def collect(options, segments):
    """Until it is told to end."""
    heard, spool = Heard(options.spool / "heard.json"), Spool(segments)
    server = Server(context(options.certificates), options.half, spool, heard)
    tasks = [
        asyncio.create_task(spool.run()),
        asyncio.create_task(_remember(heard)),
        await server.listen((options.address, options.relp), Relp),
        await server.listen((options.address, options.lumberjack), Lumberjack),
    ]
    ended = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    tasks.append(asyncio.create_task(ended.wait()))
    _notify("READY=1")
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    spool.close()
    heard.save()
    for task in done:
        task.result()  # a task that ended by a fault ends the program, and systemd starts it anew


async def _remember(heard):
    while True:
        await asyncio.sleep(SAVED)
        await asyncio.to_thread(heard.save)


def _notify(state):
    """Tell systemd, if it is there."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(state.encode(), path.replace("@", "\0", 1) if path.startswith("@") else path)


def main(options):
    try:
        segments = Segments(options.spool, options.status, options.spare, options.segment)
    except BlockingIOError:
        sys.exit(f"{options.spool}: another collector writes here")
    try:
        asyncio.run(collect(options, segments))
    except OSError as error:
        sys.exit(f"the collector ended: {error}")
    finally:
        segments.close()
    return 0
