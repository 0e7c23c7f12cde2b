"""TCP segments and ARP answers made by hand, down to the Ethernet frame: no kernel has a say in them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from typing import NamedTuple

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
_WINDOW = 64240


@dataclass(frozen=True)
class Path:
    """From a card and an address of its, through a gateway's card, to an address. MACs are six octets."""

    card: bytes
    source: IPv4Address
    gateway: bytes
    target: IPv4Address

    @cached_property
    def _link(self) -> bytes:
        return self.gateway + self.card + b"\x08\x00"

    @cached_property
    def _ends(self) -> bytes:
        return self.source.packed + self.target.packed

    def packet(self, ports: tuple[int, int], seq: int, ack: int, flags: int, payload: bytes = b"") -> bytes:
        """An IPv4 packet with one TCP segment; `ports` are (ours, theirs)."""
        tcp = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, _WINDOW, 0, 0)
        pseudo = self._ends + struct.pack("!HH", 6, len(tcp) + len(payload))
        total = _checksum(pseudo + tcp + payload)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0) + self._ends
        ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
        return ip + tcp[:16] + struct.pack("!H", total) + tcp[18:] + payload

    def frame(self, ports: tuple[int, int], seq: int, ack: int, flags: int, payload: bytes = b"") -> bytes:
        """The same in an Ethernet frame to the gateway."""
        return self._link + self.packet(ports, seq, ack, flags, payload)


def _checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Heard(NamedTuple):
    """What a frame with a TCP segment says; `port` is ours."""

    source: bytes
    target: bytes
    port: int
    seq: int
    ack: int
    flags: int


def parse(frame: bytes) -> Heard | None:
    """A frame with an IPv4 TCP segment, or None."""
    start = 14 + 4 * (frame[14] & 15)
    if len(frame) < start + 20 or frame[23] != 6:
        return None
    port, seq, ack, _, flags = struct.unpack_from("!HIIBB", frame, start + 2)
    return Heard(frame[26:30], frame[30:34], port, seq, ack, flags)


def answer_arp(frame: bytes, card: bytes, addresses: frozenset[bytes]) -> bytes | None:
    """The answer to somebody who asks where one of `addresses` is: at `card`. None when nobody asked that."""
    if len(frame) < 42 or frame[20:22] != b"\x00\x01" or frame[38:42] not in addresses:
        return None
    asker = frame[22:32]
    return frame[22:28] + card + b"\x08\x06" + frame[14:20] + b"\x00\x02" + card + frame[38:42] + asker


def tcp_to(low: int, high: int) -> bytes:
    """A classic BPF program: frames for this card with a TCP segment to a port from `low` up to, not including, `high`.

    Without it everything that a switch floods, and every connection of the machine's own, would wake the prober.
    """
    program = (
        (0x20, 0, 0, 0xFFFFF004),  # to whom the frame is addressed, as the card saw it
        (0x15, 0, 7, 0),
        (0x30, 0, 0, 23),  # IPv4's protocol
        (0x15, 0, 5, 6),
        (0xB1, 0, 0, 14),  # the IPv4 header's length
        (0x48, 0, 0, 16),  # the port
        (0x35, 0, 2, low),
        (0x35, 1, 0, high),
        (0x06, 0, 0, 128),
        (0x06, 0, 0, 0),
    )
    return b"".join(struct.pack("=HBBI", *step) for step in program)
