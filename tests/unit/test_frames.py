from __future__ import annotations

import struct
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from frames import ACK, SYN, Path, answer_arp, parse

CARD, ROUTER = bytes.fromhex("025e00000001"), bytes.fromhex("025e000000ff")
OURS, THEIRS = IPv4Address("10.10.1.1"), IPv4Address("10.110.0.10")
PATH = Path(CARD, OURS, ROUTER, THEIRS)


def folded(data: bytes) -> int:
    """RFC 1071: the ones' complement sum of what carries a right checksum is all ones."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(
    st.integers(1, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 63),
    st.binary(max_size=3),
)
def test_both_checksums_are_right(port: int, seq: int, ack: int, flags: int, payload: bytes) -> None:
    packet = PATH.packet((port, 443), seq, ack, flags, payload)
    assert folded(packet[:20]) == 0xFFFF
    assert folded(packet[12:20] + struct.pack("!HH", 6, len(packet) - 20) + packet[20:]) == 0xFFFF


def test_a_frame_goes_to_the_gateway_and_can_be_read_again() -> None:
    frame = PATH.frame((10_007, 443), 5, 9, SYN | ACK)
    assert frame[:14] == ROUTER + CARD + b"\x08\x00"
    heard = parse(frame)
    assert heard is not None
    assert (heard.source, heard.target) == (OURS.packed, THEIRS.packed)
    assert (heard.port, heard.seq, heard.ack, heard.flags) == (443, 5, 9, SYN | ACK), "`port` is the receiver's"


def test_a_frame_without_a_whole_tcp_segment_is_none() -> None:
    frame = PATH.frame((10_007, 443), 5, 9, SYN)
    assert parse(frame[:50]) is None
    assert parse(frame[:23] + b"\x11" + frame[24:]) is None


def arp(asked: IPv4Address, operation: int = 1) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return (
        b"\xff" * 6 + ROUTER + b"\x08\x06" + body + ROUTER + IPv4Address("10.10.0.1").packed + bytes(6) + asked.packed
    )


def test_arp_is_answered_for_our_addresses_only() -> None:
    mine = frozenset({OURS.packed})
    answer = answer_arp(arp(OURS), CARD, mine)
    assert answer is not None
    assert answer[:14] == ROUTER + CARD + b"\x08\x06"
    assert answer[20:] == b"\x00\x02" + CARD + OURS.packed + ROUTER + IPv4Address("10.10.0.1").packed
    assert answer_arp(arp(THEIRS), CARD, mine) is None
    assert answer_arp(arp(OURS, operation=2), CARD, mine) is None
