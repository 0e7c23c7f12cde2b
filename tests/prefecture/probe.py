"""The prober: a process that asks the network, from every terminal, whether it lets anything through to either side.

    probe.py PLAN RECORD      # says "ready", and ends when its standard input does

It works beneath the terminal's own addresses and rules: frames made by hand go out of the terminal's card from a socket
opened in its namespace, so that what is measured is the network and not the terminal's good will. It also answers ARP
for all of the terminal's addresses, as somebody would who looks for a way. Beside that it asks once through the
terminal's own stack (route, ARP, host rules): this tells how long a person at the terminal was without network.

It keeps no connection: a SYN's port and number say which round and which way it belongs to, and whoever answers gets
an RST at once. Else the server would keep every half-open connection for a minute, repeat its answer (a repeated answer
belongs to no round), and refuse real users when its backlog is full.

The exception is one connection a terminal, held open with the business server since before the crossing, see `Held`.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path as File
from typing import Any, BinaryIO, NamedTuple

from frames import ACK, FIN, RST, SYN, Heard, Path, answer_arp, parse, tcp_to
from sekisho.lab import netns

HTTPS = 443
ENTRY = struct.Struct("<dHBBI")  # when (monotonic s), terminal's index, way's index or SENT/OPENED/HELD, tier, round
SENT, OPENED, HELD = 255, 254, 253
TIERS = ("lgwan", "probation", "internet")
_LOW, _EACH, _HELD, _HIGH = 10_000, 1024, 30_000, 32_768  # our ports, below those that the kernel gives away
_ATTACH_FILTER = 26  # SO_ATTACH_FILTER
_RENEW, _RETRY = 25.0, 1.0  # seconds; the business server closes a connection that says nothing for 60 s


class Way(NamedTuple):
    """Which address is used, through whose gateway (None: the terminal's own stack decides), and to whom."""

    source: str
    gateway: str | None
    target: str

    def __str__(self) -> str:
        by = f"the {self.gateway} gateway" if self.gateway else "the terminal's own stack"
        return f"{self.target} from the {self.source} address by {by}"


EVERY_ROUND = (
    Way("lgwan", "lgwan", "gyomu"),
    Way("probation", "probation", "outside-probe"),  # what is outside begins here
    Way("lgwan", None, "gyomu"),
    Way("probation", None, "outside-probe"),
    Way("internet", None, "outside-web"),
)
# One of these a round, in turn: a frame for a card that is not in the port's VLAN is flooded to all who are.
IN_TURN = (
    Way("internet", "internet", "outside-web"),
    Way("lgwan", "probation", "gyomu"),
    Way("lgwan", "internet", "gyomu"),
    Way("probation", "lgwan", "gyomu"),
    Way("internet", "lgwan", "gyomu"),
    Way("probation", "probation", "gyomu"),
    Way("internet", "internet", "gyomu"),
    Way("probation", "lgwan", "outside-probe"),
    Way("internet", "lgwan", "outside-web"),
    Way("lgwan", "lgwan", "outside-probe"),
)
WAYS = EVERY_ROUND + IN_TURN


@dataclass
class _Connection:
    port: int
    seq: int
    ack: int = 0
    since: float = 0.0


class Held:
    """One TCP connection to the business server, kept alive by hand.

    A keep-alive is one octet that was acknowledged before, as in the first TCPs: a live peer acknowledges it at once.
    Without the octet Linux would answer only every half second. The connection is renewed while that works, that is
    while the terminal is in the LGWAN tier; afterwards the last one goes on being asked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports = count()
        self._live: _Connection | None = None
        self._next: _Connection | None = None
        self._tried = 0.0

    def ask(self, now: float) -> list[bytes]:
        """The frames of this round."""
        frames = []
        if self._live is not None:
            frames.append(self._frame(self._live, ACK, self._live.seq - 1, b"\0"))
        if now - self._tried > _RETRY and (self._live is None or now - self._live.since > _RENEW):
            port = _HELD + next(self._ports) % (_HIGH - _HELD)
            self._next, self._tried = _Connection(port, int.from_bytes(os.urandom(4), "big")), now
            frames.append(self._frame(self._next, SYN, self._next.seq))
        return frames

    def hear(self, heard: Heard, now: float) -> tuple[bool, list[bytes]]:
        """Whether a new connection stands, and the frames that answer."""
        frames: list[bytes] = []
        if self._next is not None and heard.port == self._next.port and heard.flags & (SYN | ACK) == SYN | ACK:
            new, old, self._next = self._next, self._live, None
            new.seq, new.ack, new.since = heard.ack, heard.seq + 1, now
            frames.append(self._frame(new, ACK, new.seq))
            if old is not None:
                frames.append(self._frame(old, RST | ACK, old.seq))
            self._live = new
            return True, frames
        if self._live is not None and heard.port == self._live.port and heard.flags & (FIN | RST):
            if heard.flags & FIN:
                frames.append(self._frame(self._live, RST, self._live.seq))
            self._live, self._tried = None, 0.0
        return False, frames

    def end(self) -> list[bytes]:
        """The frame that ends it."""
        return [] if self._live is None else [self._frame(self._live, RST | ACK, self._live.seq)]

    def _frame(self, one: _Connection, flags: int, seq: int, payload: bytes = b"") -> bytes:
        return self._path.frame((one.port, HTTPS), seq, one.ack if flags & ACK else 0, flags, payload)


class Terminal:
    """One terminal's card: its sockets, its ways, and where its entries go."""

    def __init__(self, index: int, settings: dict[str, Any], plan: dict[str, Any], record: BinaryIO) -> None:
        self._index = index
        self._record = record
        self._round = 0
        self._card = bytes.fromhex(settings["mac"].replace(":", ""))
        addresses = {tier: IPv4Address(text) for tier, text in settings["addresses"].items()}
        gateways = {tier: bytes.fromhex(text.replace(":", "")) for tier, text in plan["gateways"].items()}
        targets = {name: IPv4Address(text) for name, text in plan["targets"].items()}
        self._paths = [
            Path(self._card, addresses[way.source], gateways[way.gateway or way.source], targets[way.target])
            for way in WAYS
        ]
        self._addresses = frozenset(one.packed for one in addresses.values())
        self._tiers = {address.packed: TIERS.index(tier) for tier, address in addresses.items()}
        self._business = targets["gyomu"].packed
        self._held = Held(self._paths[0])
        netns.inside(settings["namespace"], self._open)

    def _open(self) -> None:
        self.frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        program = tcp_to(_LOW, _HIGH)
        held = ctypes.create_string_buffer(program)
        self.frames.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", len(program) // 8, ctypes.addressof(held))
        )
        self.frames.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.frames.bind(("eth0", 0x0800))
        self.arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self.arp.bind(("eth0", 0x0806))
        self._stack = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW)

    def ask(self) -> None:
        """One round."""
        now = time.monotonic()
        self._note(now, SENT, 0, self._round)
        for index in (*range(len(EVERY_ROUND)), len(EVERY_ROUND) + self._round % len(IN_TURN)):
            ports = (_LOW + index * _EACH + self._round % _EACH, HTTPS)
            path = self._paths[index]
            if WAYS[index].gateway is None:
                with suppress(OSError):  # its rules or its routes say no
                    packet = path.packet(ports, self._round, 0, SYN)
                    self._stack.sendto(packet, (str(path.target), 0))
            else:
                self._send([path.frame(ports, self._round, 0, SYN)])
        self._send(self._held.ask(now))
        self._round += 1

    def hear(self) -> None:
        """Take what came, in the order in which it came."""
        with suppress(BlockingIOError):
            while True:
                frame = self.frames.recv(128)
                if (heard := parse(frame)) is not None:
                    self._take(heard, time.monotonic())

    def _take(self, heard: Heard, now: float) -> None:
        tier = 0 if heard.source == self._business else self._tiers.get(heard.target, 0) or TIERS.index("internet")
        if heard.port >= _HELD:
            stands, frames = self._held.hear(heard, now)
            self._note(now, OPENED if stands else HELD, tier, 0)
            self._send(frames)
            return
        index = (heard.port - _LOW) // _EACH
        if index < len(WAYS):
            self._note(now, index, tier, heard.ack - 1 & 0xFFFFFFFF)
            if heard.flags & SYN:
                self._send([self._paths[index].frame((heard.port, HTTPS), heard.ack, 0, RST)])

    def hear_arp(self) -> None:
        """Say that every address of the terminal's is here."""
        with suppress(BlockingIOError):
            while True:
                answer = answer_arp(self.arp.recv(64), self._card, self._addresses)
                if answer is not None:
                    self._send([answer])

    def end(self) -> None:
        """Leave nothing behind on the business server."""
        self._send(self._held.end())

    def _send(self, frames: list[bytes]) -> None:
        with suppress(OSError):  # a card that is down, or full
            for frame in frames:
                self.frames.send(frame)

    def _note(self, when: float, what: int, tier: int, number: int) -> None:
        self._record.write(ENTRY.pack(when, self._index, what, tier, number))


def main(plan_file: str, record_file: str) -> None:
    """Ask every terminal in turn, evenly spread over the period, until standard input ends."""
    plan = json.loads(File(plan_file).read_text())
    try:  # the machine is shared, and a late question is a gap; it needs a tenth of a processor
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:  # a container may not allow it
        os.nice(-15)
    with File(record_file).open("wb") as record:
        terminals = [Terminal(index, one, plan, record) for index, one in enumerate(plan["terminals"])]
        ready = select.epoll()
        ready.register(0, select.EPOLLIN | select.EPOLLHUP)
        ears = {one.frames.fileno(): one.hear for one in terminals} | {
            one.arp.fileno(): one.hear_arp for one in terminals
        }
        for descriptor in ears:
            ready.register(descriptor, select.EPOLLIN)
        print("ready", flush=True)
        step = plan["period"] / len(terminals)
        due, turn = time.monotonic(), 0
        while True:
            for descriptor, _ in ready.poll(max(0.0, due - time.monotonic())):
                if descriptor == 0:
                    for one in terminals:
                        one.end()
                    return
                ears[descriptor]()
            if (now := time.monotonic()) >= due:
                terminals[turn % len(terminals)].ask()
                turn += 1
                due = max(due + step, now - plan["period"])  # after a stall catch up on one round, not on all


if __name__ == "__main__":
    main(*sys.argv[1:])
