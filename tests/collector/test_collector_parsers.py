"""The two conversations alone, without a socket: any bytes, in any pieces."""

from __future__ import annotations

import contextlib
import itertools
import struct
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho_collector.incoming import LARGEST, SMALL, Event, ProtocolError, Reserve, Session
from sekisho_collector.lumberjack import Lumberjack
from sekisho_collector.relp import Relp
from talking import OPEN, compressed, event, pairs, syslog, window

SPEAKERS = (Relp, Lumberjack)
TEXT = st.binary(max_size=200) | st.sampled_from([b"\n", b"1 syslog 3 x", b"2J\0\0"])


def said(session: Session, pieces: Iterable[bytes]) -> list[object]:
    return [step for piece in pieces for step in session.feed(piece)]


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[begin:end] for begin, end in itertools.pairwise([0, *places, len(data)])]


@given(st.lists(TEXT, max_size=8), st.data())
def test_relp_frames_are_the_same_however_they_are_cut(texts: list[bytes], data: st.DataObject) -> None:
    stream = OPEN + b"".join(syslog(number, text) for number, text in enumerate(texts, 2))
    session = Relp()
    steps = said(session, data.draw(cut(stream)))
    assert [step.raw for step in steps if isinstance(step, Event)] == texts
    assert steps == said(Relp(), [stream]) == said(Relp(), [stream[at : at + 1] for at in range(len(stream))])
    assert session.idle


@st.composite
def windows(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """One window and the texts of its events; parts of it are packed."""
    texts = draw(st.lists(TEXT, min_size=1, max_size=8))
    parts, frames = b"", b""
    for number, text in enumerate(texts, 1):
        frames += event(number, text)
        if draw(st.booleans()):
            parts, frames = parts + draw(st.sampled_from([frames, compressed(frames), compressed(frames, 0)])), b""
    return window(len(texts)) + parts + frames, texts


@given(st.lists(windows(), max_size=3), st.data())
def test_lumberjack_events_are_the_same_however_they_are_cut(
    made: list[tuple[bytes, list[bytes]]], data: st.DataObject
) -> None:
    stream = b"".join(part for part, _ in made)
    session = Lumberjack()
    steps = [step for step in said(session, data.draw(cut(stream))) if isinstance(step, Event)]
    assert [step.raw for step in steps] == [text for _, texts in made for text in texts]
    assert [step.reply for step in steps if step.reply] == [b"2A" + struct.pack(">I", len(texts)) for _, texts in made]
    assert session.idle


@settings(max_examples=500)
@given(st.sampled_from(SPEAKERS), st.lists(st.binary(max_size=64), max_size=20), st.booleans())
def test_any_bytes_are_frames_or_a_protocol_error(speaker: type[Session], pieces: list[bytes], begun: bool) -> None:
    session = speaker()
    begin = {Relp: OPEN, Lumberjack: window(3)}[speaker] if begun else b""
    with contextlib.suppress(ProtocolError):
        said(session, [begin, *pieces])
    assert len(session.incoming.data) <= len(begin) + sum(map(len, pieces))


@settings(max_examples=300)
@given(st.sampled_from(SPEAKERS), st.data())
def test_a_damaged_stream_is_frames_or_a_protocol_error(speaker: type[Session], data: st.DataObject) -> None:
    if speaker is Relp:
        stream = OPEN + syslog(2, b"abc") + syslog(3, b"x" * 100) + b"4 close 0\n"
    else:
        inside = event(1, b"{}") + pairs(2, b"k", b"v")
        stream = window(4) + compressed(inside) + event(3, b"{}") + pairs(4, b"k", b"v")
    damaged = bytearray(stream)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        steps = said(speaker(), data.draw(cut(bytes(damaged))))
    except ProtocolError:
        return
    assert sum(isinstance(step, Event) for step in steps) <= 4


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, 1_000_000])
def test_large_frames_come_in_pieces(size: int) -> None:
    text = bytes(range(256)) * (size // 256 + 1)
    for session, stream in (
        (Relp(), OPEN + syslog(2, text)),
        (Lumberjack(), window(1) + event(1, text)),
        (Lumberjack(), window(1) + compressed(event(1, text))),
    ):
        steps = said(session, (stream[at : at + 999] for at in range(0, len(stream), 999)))
        assert [step.raw for step in steps if isinstance(step, Event)] == [text]
        assert session.idle


LIES = {
    "relp: no open": (Relp, syslog(1, b"x")),
    "relp: http": (Relp, b"GET / HTTP/1.1\r\n"),
    "relp: number": (Relp, b"1234567890"),
    "relp: length": (Relp, OPEN + b"2 syslog 9999999999"),
    "relp: too long": (Relp, OPEN + b"2 syslog %d x" % (LARGEST + 1)),
    "relp: ends early": (Relp, OPEN + b"2 syslog 3\n"),
    "relp: ends late": (Relp, OPEN + b"2 syslog 3 xxxx"),
    "relp: nothing but a length": (Relp, OPEN + b"2 syslog 0 x"),
    "relp: command": (Relp, OPEN + b"2 starttls 0\n"),
    "relp: opened twice": (Relp, OPEN + OPEN),
    "relp: version": (Relp, OPEN.replace(b"version=0", b"version=7")),
    "relp: no syslog": (Relp, OPEN.replace(b"=syslog", b"=nolog!")),
    "lumberjack: version 1": (Lumberjack, b"1W\0\0\0\1"),
    "lumberjack: an acknowledgement": (Lumberjack, b"2A\0\0\0\1"),
    "lumberjack: no window": (Lumberjack, event(1, b"{}")),
    "lumberjack: more than the window": (Lumberjack, window(1) + event(1, b"{}") + event(2, b"{}")),
    "lumberjack: window in a window": (Lumberjack, window(2) + event(1, b"{}") + window(1)),
    "lumberjack: huge window": (Lumberjack, window(2**32 - 1)),
    "lumberjack: huge event": (Lumberjack, window(1) + b"2J\0\0\0\1\xff\xff\xff\xff"),
    "lumberjack: huge frame": (Lumberjack, window(1) + b"2C\xff\xff\xff\xff"),
    "lumberjack: many pairs": (Lumberjack, window(1) + b"2D\0\0\0\1\xff\xff\xff\xff"),
    "lumberjack: long value": (Lumberjack, window(1) + b"2D\0\0\0\1\0\0\0\1\0\0\0\1k\0\1\0\0"),
    "lumberjack: not zlib": (Lumberjack, window(1) + b"2C\0\0\0\4junk"),
    "lumberjack: no zlib": (Lumberjack, window(1) + b"2C\0\0\0\0"),
    "lumberjack: half zlib": (Lumberjack, window(1) + b"2C\0\0\0\4" + zlib.compress(b"")[:4]),
    "lumberjack: behind zlib": (Lumberjack, window(1) + b"2C\0\0\0\x0a" + zlib.compress(b"") + b"xx"),
    "lumberjack: half an event inside": (Lumberjack, window(1) + compressed(event(1, b"{}")[:-1])),
    "lumberjack: nested": (Lumberjack, window(1) + compressed(compressed(event(1, b"{}")))),
    "lumberjack: window inside": (Lumberjack, window(1) + compressed(window(1))),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_noticed_at_once(lie: str) -> None:
    speaker, stream = LIES[lie]
    with pytest.raises(ProtocolError):
        said(speaker(), [stream])
    with pytest.raises(ProtocolError):
        said(speaker(), [stream[at : at + 1] for at in range(len(stream))])


def test_a_large_frame_asks_for_memory_before_it_comes() -> None:
    for session, begin in (
        (Relp(), OPEN + b"2 syslog %d " % LARGEST),
        (Lumberjack(), window(1) + b"2J\0\0\0\1" + struct.pack(">I", LARGEST)),
        (Lumberjack(), window(1) + compressed(b"2J\0\0\0\1" + struct.pack(">I", LARGEST))[:-1]),
    ):
        assert said(session, [begin])[-1] == Reserve(LARGEST)


def test_a_bomb_needs_no_memory_and_is_refused() -> None:
    many = compressed(event(1, b"0" * 60_000) * 5000)  # 300 MB
    assert len(many) < 2_000_000
    tracemalloc.start()
    with pytest.raises(ProtocolError, match="becomes more than"):
        for _ in Lumberjack().feed(window(5000) + many):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(many) + 2_000_000
