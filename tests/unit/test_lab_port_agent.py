"""The port agent's protocols, byte for byte."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.lab.switch.agent import link, openflow, radius
from sekisho.lab.switch.agent.ovsdb import Ovsdb

SECRET = b"quiet"


def disconnect(attributes: radius.Attributes, *, secret: bytes = SECRET, signed: bool = True) -> bytes:
    """A Disconnect-Request as RFC 5176 describes it, built here without our own code."""

    def pack(authenticator: bytes, signature: bytes) -> bytes:
        body = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
        body += bytes((80, 18)) + signature if signed else b""
        return struct.pack("!BBH", 40, 7, 20 + len(body)) + authenticator + body

    signature = hmac.new(secret, pack(bytes(16), bytes(16)), hashlib.md5).digest() if signed else b""
    return pack(hashlib.md5(pack(bytes(16), signature) + secret).digest(), signature)  # noqa: S324


def stamped(seconds: float = 0.0) -> radius.Attributes:
    return [(32, b"sw1/pc-0001"), (55, struct.pack("!I", int(time.time() + seconds)))]


def test_a_genuine_disconnect_is_understood() -> None:
    packet = radius.request(disconnect(stamped()), SECRET)
    assert packet is not None
    assert packet.text(radius.NAS_IDENTIFIER) == "sw1/pc-0001"


@pytest.mark.parametrize(
    "data",
    [
        disconnect(stamped(), secret=b"other"),
        disconnect(stamped(), signed=False),
        disconnect(stamped(-4000)),
        disconnect(stamped(+4000)),
        disconnect([(32, b"sw1/pc-0001")]),
        disconnect(stamped())[:-1],
        b"",
    ],
)
def test_what_is_not_genuine_is_not_answered(data: bytes) -> None:
    assert radius.request(data, SECRET) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_octet_is_noticed(position: int, change: int) -> None:
    data = bytearray(disconnect(stamped()))
    data[position % len(data)] ^= change
    packet = radius.request(bytes(data), SECRET)
    assert packet is None


@given(st.binary(max_size=200))
def test_rubbish_is_no_packet_and_no_error(data: bytes) -> None:
    assert radius.request(data, SECRET) is None
    radius.parse(data)


def test_an_answer_is_bound_to_its_request() -> None:
    asked = radius.parse(disconnect([*stamped(), (33, b"proxy")]))
    assert asked is not None
    told = radius.reply(asked, radius.DISCONNECT_NAK, SECRET, cause=503)
    answer = radius.answer(told, asked.authenticator, SECRET)
    assert answer is not None
    assert (answer.code, answer.number(101), answer.text(33)) == (42, 503, "proxy")
    assert radius.answer(told, bytes(16), SECRET) is None
    assert radius.answer(told, asked.authenticator, b"other") is None


def test_the_password_is_hidden_as_rfc_2865_says() -> None:
    data, authenticator = radius.access_request(1, [], "025e00000021", SECRET)
    packet = radius.parse(data)
    assert packet is not None
    hidden = next(value for kind, value in packet.attributes if kind == 2)
    mask = hashlib.md5(SECRET + authenticator).digest()  # noqa: S324
    assert bytes(a ^ b for a, b in zip(hidden, mask, strict=True)).rstrip(b"\0") == b"025e00000021"


@pytest.mark.parametrize(("value", "vlan"), [(b"10", 10), (b"\x0010", 10), (b"\x0110", 10), (b"x", None), (b"", None)])
def test_vlan_with_and_without_tag(value: bytes, vlan: int | None) -> None:
    assert radius.Packet(2, 1, bytes(16), [(81, value)]).vlan() == vlan


def test_openflow_match_is_forty_octets_with_one_port() -> None:
    match = openflow._match(port=7, mac="02:5e:00:00:00:01")
    assert len(match) == 40
    wildcards, port = struct.unpack_from("!IH", match)
    assert port == 7
    assert wildcards & 0b101 == 0
    assert match[6:12] == bytes.fromhex("025e00000001")


def test_a_link_message_is_read() -> None:
    name = b"pc-0001\0"
    attribute = struct.pack("=HH", 4 + len(name), 3) + name
    body = struct.pack("=BxHiII", 0, 1, 5, 0x1 | 0x10000, 0) + attribute
    message = struct.pack("=IHHII", 16 + len(body), 16, 0, 0, 0) + body
    assert link._parse(message) == [("pc-0001", True)]
    gone = struct.pack("=IHHII", 16 + len(body), 17, 0, 0, 0) + body
    assert link._parse(message + gone) == [("pc-0001", True), ("pc-0001", False)]


def test_ovsdb_messages_may_come_in_pieces() -> None:
    async def scenario() -> dict[str, int]:
        database = Ovsdb(lambda: None)
        database._reader = asyncio.StreamReader()
        update = {
            "Port": {"u": {"new": {"name": "pc-0001", "tag": 3001}}, "v": {"new": {"name": "br0", "tag": ["set", []]}}}
        }
        text = json.dumps({"method": "update", "params": [None, update], "id": None}) * 2
        for piece in range(0, len(text), 7):
            database._reader.feed_data(text[piece : piece + 7].encode())
        database._reader.feed_eof()
        await database._receive()
        return database.tags

    assert asyncio.run(scenario()) == {"pc-0001": 3001}
