"""`serve` is the collector; `answer` is the forced command of control's key."""

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from sekisho_collector import answer
from sekisho_collector.heard import Heard
from sekisho_collector.lumberjack import Lumberjack
from sekisho_collector.relp import Relp
from sekisho_collector.segments import LARGEST, Segments
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


def arguments(words):
    parser = argparse.ArgumentParser(prog="sekisho_collector")
    parser.add_argument("do", choices=("serve", "answer"))
    parser.add_argument("--spool", type=Path, default="/var/spool/sekisho", help="the folder of the segments")
    parser.add_argument("--status", type=Path, default="/run/sekisho-collector/durable", help="what is durable")
    parser.add_argument("--certificates", type=Path, default="/etc/sekisho/collector", help="server.key, .crt, ca.crt")
    parser.add_argument("--address", default="0.0.0.0")  # noqa: S104 - terminals of every tier come to it
    parser.add_argument("--relp", type=int, default=6514, help="TCP port")
    parser.add_argument("--lumberjack", type=int, default=5044, help="TCP port")
    parser.add_argument("--spare", type=int, default=0, help="bytes of the disk that are left to others")
    parser.add_argument("--segment", type=int, default=LARGEST, help="bytes after which a new segment is begun")
    parser.add_argument("--half", type=float, default=120.0, help="seconds in which what was begun must be finished")
    return parser.parse_args(words)


def main():
    options = arguments(sys.argv[1:])
    if options.do == "answer":
        return answer.main(options.spool, options.status)
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


if __name__ == "__main__":
    sys.exit(main())
