"""Cables as the kernel sees them: carrier by rtnetlink, admin state by ioctl, first frames by AF_PACKET."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from collections.abc import Callable
from pathlib import Path

_NEWLINK, _DELLINK, _IFNAME = 16, 17, 3
_UP, _LOWER_UP = 0x1, 0x10000
_GETFLAGS, _SETFLAGS = 0x8913, 0x8914
_OUTGOING = 4  # PACKET_OUTGOING: our own frames
_EAPOL = 0x888E
_PAE_GROUP = bytes.fromhex("0180c2000003")  # IEEE 802.1X: whoever is at the other end of the cable
_REQUEST, _SUCCESS, _FAILURE, _IDENTITY = 1, 3, 4, 1  # EAP (RFC 3748)


def carrier(port: str) -> bool:
    """Whether the port has a link now."""
    try:
        return Path(f"/sys/class/net/{port}/carrier").read_text().strip() == "1"
    except OSError:  # not there, or switched off
        return False


def set_up(port: str, *, up: bool) -> None:
    """Switch a port's link on or off; the terminal sees its carrier come or go."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", port.encode(), 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(handle, _GETFLAGS, request))[1]
        flags = flags | _UP if up else flags & ~_UP
        fcntl.ioctl(handle, _SETFLAGS, struct.pack("16sh14x", port.encode(), flags))


def watch() -> socket.socket:
    """A socket that gets a message for every change of a link."""
    handle = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    handle.bind((0, 1))  # RTMGRP_LINK
    return handle


def changes(handle: socket.socket) -> list[tuple[str, bool]]:
    """The ports whose link changed, and whether they have one."""
    found: list[tuple[str, bool]] = []
    try:
        while data := handle.recv(1 << 16):
            found += _parse(data)
    except BlockingIOError:
        pass
    return found


def _parse(data: bytes) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    while len(data) >= 32:
        length, kind = struct.unpack_from("=IH", data)
        if kind in {_NEWLINK, _DELLINK}:
            flags = struct.unpack_from("=I", data, 24)[0]
            position = 32
            while position + 4 <= length:
                size, attribute = struct.unpack_from("=HH", data, position)
                if size < 4:
                    break
                if attribute == _IFNAME:
                    name = data[position + 4 : position + size].rstrip(b"\0").decode()
                    found.append((name, kind == _NEWLINK and bool(flags & _LOWER_UP)))
                position += (size + 3) & ~3
        data = data[(length + 3) & ~3 :]
    return found


class Listener:
    """Hears the first frames on a closed port: who is there, and how far an EAP exchange has come.

    `heard(mac, eapol)` is called for each frame from the terminal. `cut` is the number of the authenticator's last
    request in an exchange that has not ended; the next listener is given it.
    """

    def __init__(self, port: str, heard: Callable[[str, bool], None], cut: int | None) -> None:
        self._heard = heard
        self.cut = cut
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self.socket.bind((port, 0x0003))  # ETH_P_ALL

    def knock(self) -> None:
        """Ask whoever is there for its identity, as a switch does on a port that came up.

        A supplicant whose exchange was cut off answers no such question for a minute, unless it is told how the
        exchange ended. Which of the two it heeds depends on whether the handshake was through on its side.
        """
        if self.cut is not None:
            self._send(bytes((_FAILURE, self.cut, 0, 4)))
            self._send(bytes((_SUCCESS, self.cut, 0, 4)))
            self.cut = None
        self._send(bytes((_REQUEST, 0, 0, 5, _IDENTITY)))

    def _send(self, packet: bytes) -> None:
        with contextlib.suppress(OSError):
            mine = self.socket.getsockname()[4]
            self.socket.send(_PAE_GROUP + mine + struct.pack("!HBBH", _EAPOL, 2, 0, len(packet)) + packet)

    def read(self) -> None:
        """Take what came."""
        with contextlib.suppress(OSError):
            for _ in range(64):
                frame, origin = self.socket.recvfrom(64)
                if len(frame) < 14:
                    continue
                eapol = struct.unpack_from("!H", frame, 12)[0] == _EAPOL
                if origin[2] == _OUTGOING:
                    self._follow(frame if eapol else b"")
                elif not frame[6] & 1:
                    self._heard(frame[6:12].hex(":"), eapol)

    def _follow(self, frame: bytes) -> None:
        if len(frame) >= 20 and frame[15] == 0:  # an EAP packet of the authenticator's
            code, number = frame[18], frame[19]
            if code == _REQUEST and frame[22:23] != bytes((_IDENTITY,)):
                self.cut = number
            elif code in {_SUCCESS, _FAILURE}:
                self.cut = None

    def close(self) -> None:
        """Hear no more."""
        self.socket.close()
