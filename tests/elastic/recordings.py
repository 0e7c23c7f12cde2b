"""The shared recordings as events, and records made to trap a store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sekisho.core.clock import JAPAN
from sekisho.telemetry import identity, reading, stream
from sekisho.telemetry.event import Event, Reject
from sekisho.telemetry.formats import auditd, evtx
from sekisho.telemetry.formats.found import Found
from sekisho.telemetry.reading import Clock, Origin, Piece

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("SEKISHO_CORPORA", ROOT.parent / "shared" / "corpora"))
CLOCK = Clock(JAPAN, datetime(2026, 11, 24, tzinfo=UTC))

# What happened in real logs, or may: see docs/adr/0009-elasticsearch-narrows.md.
TRAPS: list[dict[str, Any]] = [
    {"Image": r"C:\Windows\System32\CMD.exe", "CommandLine": 'cmd /c "echo 100% _x*?"', "EventID": 1},
    {"Image": r"c:\windows\system32\cmd.EXE", "EventID": "1"},
    {"CommandLine": "x" * 9000 + " needle", "Image": "long.exe"},
    {"CommandLine": "漢" * 8191, "Message": "関所 needle"},
    {"User": None, "Image": ""},
    {"User": "", "Image": None},
    {"SourceIp": "-", "DestinationIp": "10.0.0.1"},
    {"SourceIp": "::1", "port": "9"},
    {"port": 10, "SourceIp": ["10.0.0.1", "-"]},
    {"shape": "text"},
    {"shape": 7},
    {"shape": {"below": "text", "list": [1, {"deep": "x"}]}},
    {"shape": ["text", 7, None, {"below": 1.5}]},
    {"shape": True, "empty": {}, "none": []},
    {"shape": 1.50, "big": 123456789012345678901234567890, "zero": -0.0},
    {"when": "2026-11-24T00:00:00Z"},
    {"when": "not a date", "@timestamp": "neither"},
    {"when": 1e3, "@timestamp": "2026-11-24T01:02:03.456789+09:00"},
    {"name": "İstanbul", "User": "ÜNDER"},
    {"name": "istanbul", "User": "ünder"},
    {"dotted.key": "one", "dotted": {"key": "two"}},
    {"": "no name", " ": "blank", ".": "dot", "a..b": "dots", "a.": "end", ".a": "begin", "a": {"": {"": 1}}},
    {"_id": "theirs", "_source": 1, "_doc_count": "many", "_COMM": "sshd", "event": {"id": 5, "original": "theirs"}},
    {"host": {"name": "theirs"}, "Hostname": "ours", "process.pid": [1, 2]},
    {"winlog": {"event_data": {"Image": "a.exe"}, "computer_name": "PC"}, "host": "scalar"},
    {f"many{number}": number for number in range(1500)},
    {"n" * 600: "long name", "\u0000": "control", "line\nbreak": "x", "nul": "before\u0000after"},
    json.loads('{"in":' * 60 + "1" + "}" * 60),
    json.loads("[" * 60 + "1" + "]" * 60 and '{"list":' + "[" * 60 + "1" + "]" * 60 + "}"),
    {"message": 'say "no" \\ back/slash', "Message": "the other"},
]
RAW_TRAPS = [
    b'{"twice": "first", "twice": "second"}',
    b'{"twice" : "first", "twice" : "second", "o": {"a": 1, "a": 2}}',
    b'{"number": -0, "exponent": 1E2, "long": 1.10}',
    b'{"text": "\\u95a2\\u6240", "slash": "a\\/b"}',
]


def recorded() -> Iterator[tuple[list[Event], list[Reject]]]:
    """All shared recordings, of every kind, as they are ingested."""
    paths = [path for name in ("otrf", "regression") for path in sorted((CORPORA / name).rglob("*")) if path.is_file()]
    assert paths, f"no recordings below {CORPORA}; set SEKISHO_CORPORA"
    for path in paths:
        for source in stream.sources(path):
            chunks = stream.Chunks(source.file)
            origin = Origin(source.name, identity.fingerprint(chunks.head))
            if chunks.head.startswith(evtx.MAGIC):
                found = enumerate(evtx.records(chunks.head, source.file))
                pieces = [
                    Piece(n, one.source, one) if isinstance(one, Found) else Piece(n, b"", str(one)) for n, one in found
                ]
                yield reading.known(pieces, origin)
                continue
            audit = auditd.Reader()
            for block in stream.blocks(chunks):
                pieces = (
                    [reading.of_broken(block)]
                    if isinstance(block, stream.Broken)
                    else reading.in_block(block, audit, CLOCK)
                )
                yield reading.known(pieces, origin)


def sample(step: int) -> list[Event]:
    """Each so-manieth recorded event, and every trap."""
    recordings = [event for events, _ in recorded() for event in events]
    return [*recordings[::step], *trapped()]


def trapped() -> list[Event]:
    """Every trap as an event."""
    return read(b"\n".join([*(json.dumps(one).encode() for one in TRAPS), *RAW_TRAPS]))


def read(lines: bytes, name: str = "lines") -> list[Event]:
    """The events of lines."""
    origin = Origin(name, identity.fingerprint(name.encode()))
    events, rejects = reading.known(reading.in_block(stream.Block(0, lines), auditd.Reader(), CLOCK), origin)
    assert not rejects
    return events
