"""Lines of files: at their offsets, whatever the pieces they come in, and whatever is wrong with them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.core.errors import BadInput, Missing
from sekisho.telemetry import stream
from sekisho.telemetry.stream import Broken, Chunks, Line, sources


class Pieces(io.BufferedIOBase):
    """A stream that hands out pieces of the sizes it is told to, as a pipe or a decompressor does."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes = data, sizes or [7]
        self._turn = 0

    def read1(self, size: int = -1) -> bytes:
        self._turn += 1
        want = min(size, self._sizes[self._turn % len(self._sizes)])
        piece, self._data = self._data[:want], self._data[want:]
        return piece


def lines(chunks: Chunks, *, size: int = 1024, longest: int = stream.LONGEST) -> list[Line | Broken]:
    found: list[Line | Broken] = []
    for block in stream.blocks(chunks, size=size, longest=longest):
        found += [block] if isinstance(block, Broken) else stream.lines(block, longest=longest)
    return found


TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"x" * 30, b"\x00\xff"]), max_size=60).map(b"".join)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    data=TEXT, sizes=st.lists(st.integers(1, 9000), max_size=5), size=st.integers(1, 90), longest=st.integers(20, 50)
)
def test_lines_stand_where_the_stream_has_them(data: bytes, sizes: list[int], size: int, longest: int) -> None:
    wanted: list[tuple[int, bytes | None]] = []
    offset = 0
    for part in data.split(b"\n"):
        if len(part) > longest:
            wanted.append((offset, None))
        elif part.rstrip(b"\r"):
            wanted.append((offset, part.rstrip(b"\r")))
        offset += len(part) + 1
    found = lines(Chunks(Pieces(data, sizes)), size=size, longest=longest)
    assert [(one.offset, one.data if isinstance(one, Line) else None) for one in found] == wanted


def test_a_line_larger_than_memory_is_let_go_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_bytes(b'{"a":1}\n' + b"y" * 100_000_000 + b'\n{"b":2}\n')
    [source] = [lines(Chunks(one.file)) for one in sources(path)]
    first, long, last = source
    assert (first, last) == (Line(0, b'{"a":1}'), Line(100_000_009, b'{"b":2}'))
    assert isinstance(long, Broken)
    assert (long.offset, long.why, len(long.data)) == (8, "the line is too long", 64 * 1024)


def read(path: Path) -> list[tuple[str, list[Line | Broken]]]:
    return [(source.name, lines(Chunks(source.file))) for source in sources(path)]


def test_plain_gz_and_zip_have_the_same_lines(tmp_path: Path) -> None:
    data = b"".join(b'{"n":%d}\n' % number for number in range(20_000))
    plain, packed, archive = tmp_path / "plain", tmp_path / "packed", tmp_path / "archive"
    plain.write_bytes(data)
    packed.write_bytes(gzip.compress(data[:70_000]) + gzip.compress(data[70_000:]))  # as a rotated file that went on
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("folder/one.json", data)
        made.writestr("two.json", b'{"n":0}\n')
    [(_, wanted)] = read(plain)
    assert len(wanted) == 20_000
    assert read(packed) == [(str(packed), wanted)]
    assert read(archive) == [(f"{archive}!folder/one.json", wanted), (f"{archive}!two.json", wanted[:1])]


def test_a_gz_that_was_cut_off_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    data = b"".join(b'{"n":%d,"x":"%x"}\n' % (number, number * 7919) for number in range(50_000))
    whole = gzip.compress(data)
    path = tmp_path / "cut.gz"
    path.write_bytes(whole[: len(whole) // 2])
    [(_, found)] = read(path)
    *good, last = found
    assert isinstance(last, Broken)
    assert "the stream is broken" in last.why
    assert len(good) > 10_000
    assert b"\n".join(one.data for one in good) == data[: good[-1].offset + len(good[-1].data)]


@pytest.mark.parametrize("junk", [b"", b"\x1f\x8b", b"\x1f\x8b\x08junk", bytes(range(256)) * 40])
def test_junk_is_told_and_hangs_nothing(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk"
    path.write_bytes(junk)
    assert all(isinstance(one, Broken) for _, found in read(path) for one in found if junk[:2] == b"\x1f\x8b")


@pytest.mark.parametrize("cut", [10, 60])
def test_a_zip_that_cannot_be_read_is_bad_input(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("one.json", b'{"n":0}\n' * 100)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadInput, match="cannot be read"):
        read(path)


def test_a_gz_in_a_zip_is_unpacked_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as made:
        made.writestr("a.json.gz", gzip.compress(b'{"n":0}\n'))
        made.writestr("b.json", b'{"n":1}\n')
    [(name, first), (_, second)] = read(tmp_path / "logs.zip")
    assert (name, first, second) == (f"{tmp_path}/logs.zip!a.json.gz", [Line(0, b'{"n":0}')], [Line(0, b'{"n":1}')])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "told"),
    [("tar", "is a tar archive"), ("UTF-16", "is a text in UTF-16"), ("zip", "is a zip in another file")],
)
def test_what_must_be_unpacked_or_converted_first_is_told(tmp_path: Path, kind: str, told: str, packed: bool) -> None:
    path, whole = tmp_path / "given", io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=whole, mode="w") as made:
            made.addfile(tarfile.TarInfo("a.json"))
    elif kind == "zip":
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("a.json", b'{"n":0}\n')
        with zipfile.ZipFile(path, "w") as outer:
            outer.writestr("inner.zip", whole.getvalue())
    else:
        whole.write('{"n":"端末"}\n'.encode("utf-16"))
    if kind != "zip" or packed:
        path.write_bytes(gzip.compress(whole.getvalue()) if packed else whole.getvalue())
    with pytest.raises(BadInput, match=told):
        read(path)


def test_the_mark_that_windows_puts_in_front_of_utf_8_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    path.write_bytes(b'\xef\xbb\xbf{"n":0}\r\n\xef\xbb\xbf{"n":1}\n')
    [(_, found)] = read(path)
    assert found == [Line(0, b'{"n":0}'), Line(12, b'\xef\xbb\xbf{"n":1}')]


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(Missing, match="it is no ordinary file"):
            read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="No such file"):
        read(tmp_path / "nothing")
