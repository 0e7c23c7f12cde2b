"""RADIUS packets: RFC 2865 (authentication), 2866 (accounting), 2869 (Message-Authenticator), 5176 (Disconnect)."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import time
from dataclasses import dataclass

ACCESS_REQUEST, ACCESS_ACCEPT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 1, 2, 4, 5
DISCONNECT_REQUEST, DISCONNECT_ACK, DISCONNECT_NAK, COA_REQUEST, COA_NAK = 40, 41, 42, 43, 45
USER_NAME, USER_PASSWORD, NAS_IP, SERVICE_TYPE, SESSION_TIMEOUT = 1, 2, 4, 6, 27
CALLING_STATION, NAS_IDENTIFIER, PROXY_STATE, ACCT_STATUS, ACCT_SESSION = 31, 32, 33, 40, 44
ACCT_TERMINATE_CAUSE, EVENT_TIMESTAMP, NAS_PORT_TYPE, TUNNEL_VLAN = 49, 55, 61, 81
MESSAGE_AUTHENTICATOR, NAS_PORT_ID, ERROR_CAUSE = 80, 87, 101
NO_SESSION, UNSUPPORTED, NO_RESOURCES, WRONG_NAS = 503, 405, 506, 403  # Error-Cause (RFC 5176, 3.6)
_SKEW = 300  # seconds that a request's Event-Timestamp may be off

Attributes = list[tuple[int, bytes]]


@dataclass(frozen=True)
class Packet:
    """A packet as it came."""

    code: int
    identifier: int
    authenticator: bytes
    attributes: Attributes

    def text(self, kind: int) -> str | None:
        """An attribute as text, or None when it is not there."""
        return next((value.decode(errors="replace") for found, value in self.attributes if found == kind), None)

    def number(self, kind: int) -> int | None:
        """An attribute of four octets as a number, or None when it is not there."""
        return next(
            (int.from_bytes(value, "big") for found, value in self.attributes if found == kind and len(value) == 4),
            None,
        )

    def vlan(self) -> int | None:
        """The VLAN of an Access-Accept: Tunnel-Private-Group-Id, with or without its tag octet (RFC 2868)."""
        for kind, value in self.attributes:
            if kind == TUNNEL_VLAN and value:
                digits = value[1:] if value[0] < 0x20 else value
                return int(digits) if digits.isdigit() else None
        return None


def number(value: int) -> bytes:
    """Four octets."""
    return struct.pack("!I", value)


def parse(data: bytes) -> Packet | None:
    """A packet, or None when it is not one."""
    if len(data) < 20:
        return None
    code, identifier, length = struct.unpack_from("!BBH", data)
    if not 20 <= length <= len(data):
        return None
    attributes: Attributes = []
    position = 20
    while position < length:
        if position + 2 > length or data[position + 1] < 2 or position + data[position + 1] > length:
            return None
        attributes.append((data[position], data[position + 2 : position + data[position + 1]]))
        position += data[position + 1]
    return Packet(code, identifier, data[4:20], attributes)


def _pack(code: int, identifier: int, authenticator: bytes, attributes: Attributes) -> bytes:
    body = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
    return struct.pack("!BBH", code, identifier, 20 + len(body)) + authenticator + body


def _signed(code: int, identifier: int, authenticator: bytes, attributes: Attributes, secret: bytes) -> Attributes:
    """The same attributes with a Message-Authenticator over the whole packet in front."""
    rest = [(kind, value) for kind, value in attributes if kind != MESSAGE_AUTHENTICATOR]
    blank = _pack(code, identifier, authenticator, [(MESSAGE_AUTHENTICATOR, bytes(16)), *rest])
    return [(MESSAGE_AUTHENTICATOR, hmac.digest(secret, blank, "md5")), *rest]


def access_request(identifier: int, attributes: Attributes, password: str, secret: bytes) -> tuple[bytes, bytes]:
    """An Access-Request, signed, with its password hidden; and its authenticator."""
    authenticator = os.urandom(16)
    clear = password.encode()
    clear += bytes(-len(clear) % 16)
    hidden, last = b"", authenticator
    for start in range(0, len(clear), 16):
        mask = hashlib.md5(secret + last).digest()  # noqa: S324 - the protocol's own
        last = bytes(a ^ b for a, b in zip(clear[start : start + 16], mask, strict=True))
        hidden += last
    content = [*attributes, (USER_PASSWORD, hidden)]
    signed = _signed(ACCESS_REQUEST, identifier, authenticator, content, secret)
    return _pack(ACCESS_REQUEST, identifier, authenticator, signed), authenticator


def accounting_request(identifier: int, attributes: Attributes, secret: bytes) -> tuple[bytes, bytes]:
    """An Accounting-Request and its authenticator."""
    blank = _pack(ACCOUNTING_REQUEST, identifier, bytes(16), attributes)
    authenticator = hashlib.md5(blank + secret).digest()  # noqa: S324 - the protocol's own
    return _pack(ACCOUNTING_REQUEST, identifier, authenticator, attributes), authenticator


def answer(data: bytes, asked: bytes, secret: bytes) -> Packet | None:
    """A server's answer to the request whose authenticator was `asked`, or None when it is not genuine."""
    packet = parse(data)
    if packet is None:
        return None
    plain = data[:4] + asked + data[20 : int.from_bytes(data[2:4], "big")]
    genuine = hashlib.md5(plain + secret).digest()  # noqa: S324 - the protocol's own
    if not hmac.compare_digest(genuine, packet.authenticator):
        return None
    return packet if _message_authentic(packet, asked, secret, needed=False) else None


def request(data: bytes, secret: bytes) -> Packet | None:
    """A Disconnect- or CoA-Request, or None when it is forged, old or not signed: RFC 5176 says not to answer those."""
    packet = parse(data)
    if packet is None:
        return None
    length = int.from_bytes(data[2:4], "big")
    genuine = hashlib.md5(data[:4] + bytes(16) + data[20:length] + secret).digest()  # noqa: S324 - the protocol's own
    when = packet.number(EVENT_TIMESTAMP)
    if not hmac.compare_digest(genuine, packet.authenticator) or when is None or abs(time.time() - when) > _SKEW:
        return None
    return packet if _message_authentic(packet, bytes(16), secret, needed=True) else None


def _message_authentic(packet: Packet, authenticator: bytes, secret: bytes, *, needed: bool) -> bool:
    given = next((value for kind, value in packet.attributes if kind == MESSAGE_AUTHENTICATOR), None)
    if given is None:
        return not needed
    zeroed = [(kind, bytes(16) if kind == MESSAGE_AUTHENTICATOR else value) for kind, value in packet.attributes]
    right = hmac.digest(secret, _pack(packet.code, packet.identifier, authenticator, zeroed), "md5")
    return hmac.compare_digest(given, right)


def reply(asked: Packet, code: int, secret: bytes, *, cause: int | None = None) -> bytes:
    """Our answer to a Disconnect-Request; `cause` says why not."""
    attributes = [(kind, value) for kind, value in asked.attributes if kind == PROXY_STATE]
    if cause is not None:
        attributes.append((ERROR_CAUSE, number(cause)))
    signed = _signed(code, asked.identifier, asked.authenticator, attributes, secret)
    blank = _pack(code, asked.identifier, asked.authenticator, signed)
    authenticator = hashlib.md5(blank + secret).digest()  # noqa: S324 - the protocol's own
    return _pack(code, asked.identifier, authenticator, signed)
