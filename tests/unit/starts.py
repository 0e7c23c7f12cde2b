"""Starts of processes as the kernel's audit and snoopy tell them, and what a store makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.formats import auditd
from sekisho.telemetry.formats.joined import Joined, Joiner
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search, Term
from sekisho.telemetry.workers import Workers

JAPAN = ZoneInfo("Asia/Tokyo")
STARTED = Search([Term("derived_from", "*", negated=False, wild=True)])
MESSAGE = "v1 pid=8 ppid=7 uid=1000 euid=1000 user=taro tty=pts/0 cwd=/home/taro//file=/bin/ls//cmd=ls -l a b"


def take(store: EmbeddedStore, *paths: Path) -> Total:
    with store.writing() as writer:
        return ingest(paths, writer, JAPAN, lambda _: None, Workers(0))


def audit(serial: int, command: str = "arp -a", *, node: str = "pc-0001", end: bool = True) -> list[bytes]:
    """The records of a start, as the kernel writes them."""
    words = command.split(" ")
    head, image = f"msg=audit(1604994496.155:{serial}):", f"/usr/sbin/{words[0]}"
    arguments = " ".join(f'a{number}="{word}"' for number, word in enumerate(words))
    some = [
        f'type=SYSCALL {head} arch=c000003e syscall=59 success=yes ppid=7 pid={serial} uid=0 exe="{image}"',
        f"type=EXECVE {head} argc={len(words)} {arguments}",
        f'type=CWD {head} cwd="/home/taro"',
        f'type=PATH {head} item=0 name="/usr/sbin/{words[0]}" inode=1',
        f"type=PROCTITLE {head} proctitle={command.replace(' ', chr(0)).encode().hex().upper()}",
    ]
    if end:
        some.append(f"type=EOE {head} ")
    return [f"node={node} {line}".encode() if node else line.encode() for line in some]


def joined(lines: Iterable[bytes], joiner: Joiner[bytes] | None = None) -> list[Joined[bytes]]:
    joiner = joiner or Joiner()
    return [one for line in lines for one in joiner.add(auditd.parse(line), line)]


def journald(message: object, **other: object) -> dict[str, Any]:
    return {
        "__CURSOR": "s=1;i=2",
        "__REALTIME_TIMESTAMP": "1795489200000000",
        "_HOSTNAME": "pc-0001",
        "_PID": "8",
        "_UID": "1000",
        "SYSLOG_IDENTIFIER": "snoopy",
        "MESSAGE": message,
        **other,
    }
