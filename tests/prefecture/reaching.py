"""Who reaches whom: connections tried beneath a terminal's own rules, and packets counted where they arrive."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from prefecture import Prefecture

# All targets at once: a refusal is an answer too, silence is not.
_TRY = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def answers(target):
    address, port = target.split(":")
    handle = socket.socket()
    handle.settimeout(2)
    try:
        handle.connect((address, int(port)))
    except ConnectionRefusedError:
        pass
    except OSError:
        return ""
    return target
with ThreadPoolExecutor(128) as pool:
    print(*filter(None, pool.map(answers, sys.argv[1:])))
"""


def reached(prefecture: Prefecture, name: str, targets: Iterable[str]) -> set[str]:
    """Those of `targets` (ADDRESS:PORT) from which a connection of the machine gets any answer, a refusal included."""
    words = " ".join(targets)
    code, told = prefecture.on(name, f"python3 -c {shlex.quote(_TRY)} {words}", timeout=120)
    assert code == 0, told
    return set(told.split())


@contextmanager
def bare(prefecture: Prefecture, *names: str) -> Iterator[None]:
    """Terminals without their own host rules, as with an owner who has switched them off: only the network is left."""
    try:
        for name in names:
            prefecture.do(name, "systemctl stop sekisho-profile; nft flush ruleset")
        yield
    finally:
        for name in names:
            prefecture.do(name, "nft flush ruleset; systemctl start sekisho-profile")


@contextmanager
def hole(prefecture: Prefecture, *rules: str) -> Iterator[None]:
    """A hole in the router, to see that a test would notice one: each rule is CHAIN MATCH, and accepts."""
    try:
        for rule in rules:
            chain, _, match = rule.partition(" ")
            prefecture.do("core", f"nft insert rule inet sekisho {chain} {match} accept")
        yield
    finally:
        prefecture.do("core", "nft -f /etc/nftables.conf")


@contextmanager
def settings(prefecture: Prefecture, machine: str, **values: int) -> Iterator[None]:
    """Kernel settings below net.ipv4 (a double underscore is a dot), put back afterwards."""
    files = {key: f"/proc/sys/net/ipv4/{key.replace('__', '/')}" for key in values}
    before = {key: _shell(prefecture, machine, f"cat {file}") for key, file in files.items()}
    try:
        for key, value in values.items():
            _shell(prefecture, machine, f"echo {value} >{files[key]}")
        yield
    finally:
        for key, value in before.items():
            _shell(prefecture, machine, f"echo {value} >{files[key]}")


def _shell(prefecture: Prefecture, machine: str, script: str) -> str:
    if machine == "control":
        done = prefecture.run("sh", "-c", script)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    return prefecture.do(machine, script).strip()


class Counter:
    """Counts packets that arrive at a machine, before any rule of its own."""

    def __init__(self, prefecture: Prefecture, machine: str, match: str) -> None:
        self._prefecture, self._machine, self._match = prefecture, machine, match

    def __enter__(self) -> Self:
        hook = "{ type filter hook prerouting priority -350; }"
        rule = f"add rule inet counting arriving {self._match} counter"
        table = f"add table inet counting; add chain inet counting arriving {hook}; {rule}"
        self._prefecture.do(self._machine, f"nft '{table}'")
        return self

    def __exit__(self, *_: object) -> None:
        self._prefecture.do(self._machine, "nft delete table inet counting")

    @property
    def packets(self) -> int:
        """How many have come."""
        listed = json.loads(self._prefecture.do(self._machine, "nft -j list table inet counting"))["nftables"]
        rules = [part for item in listed for part in item.get("rule", {}).get("expr", [])]
        return sum(int(part["counter"]["packets"]) for part in rules if "counter" in part)


# One UDP packet with a source address of one's choice, and one TCP attempt that asks to be passed on by `via`.
_SPOOFED = """
import socket, struct, sys
source, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
body = struct.pack("!HHHH", 40000, port, 12, 0) + b"test"
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for _ in range(3):
    raw.sendto(head + body, (target, 0))
"""
_SOURCE_ROUTED = """
import socket, struct, sys
via, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
handle.setsockopt(socket.IPPROTO_IP, 4, b"\\x83\\x07\\x04" + socket.inet_aton(via) + b"\\0")
for _ in range(3):
    handle.sendto(b"test", (target, port))
"""


def send_as(prefecture: Prefecture, name: str, source: str, target: str, port: int) -> None:
    """Send UDP packets under a source address that need not be the machine's own."""
    prefecture.do(name, f"python3 -c {shlex.quote(_SPOOFED)} {source} {target} {port}")


def send_through(prefecture: Prefecture, name: str, via: str, target: str, port: int) -> None:
    """Send UDP packets by loose source routing: to `via`, which is asked to pass them on to `target`."""
    prefecture.do(name, f"python3 -c {shlex.quote(_SOURCE_ROUTED)} {via} {target} {port}")
