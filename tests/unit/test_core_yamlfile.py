"""Bad YAML is answered with file, line and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.core.errors import BadInput, Missing
from sekisho.core.yamlfile import Strict, load


class Inner(Strict):
    size: int


class Outer(Strict):
    name: str
    parts: tuple[Inner, ...] = ()


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "policy.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    assert load(_write(tmp_path, "name: a\nparts:\n  - size: 3\n"), Outer).parts[0].size == 3


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("name: a\nnmae: b\n", 2, "nmae: unknown key"),
        ("name: a\nparts:\n  - size: 1\n  - size: many\n", 4, "parts.1.size"),
        ("parts: []\n", 1, "name: is missing"),
        ("name: a\nparts:\n  - size: 1\n    extra: 2\n", 4, "extra: unknown key"),
        ("name: a\nname: b\n", 2, "stands twice"),
        ("name: &x a\nparts: *x\n", 2, "aliases"),
        ("name: [a\n", 2, "expected"),
        ("name: !!python/object:os.system a\n", 1, "could not determine a constructor"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        load(path, Outer)
    assert f"{path}:{line}:" in caught.value.what
    assert told in caught.value.what
    assert caught.value.exit_code == 2


def test_every_fault_is_named_not_only_the_first(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load(_write(tmp_path, "name: a\nx: 1\ny: 2\n"), Outer)
    assert caught.value.what.count("unknown key") == 2


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        load(tmp_path / "nothing.yml", Outer)


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        load(_write(tmp_path, "name: " + "[" * 50_000), Outer)


@given(st.binary(max_size=200))
def test_no_content_escapes_as_another_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = _write(tmp_path_factory.mktemp("yaml"), content)
    try:
        load(path, Outer)
    except BadInput as error:
        assert str(path) in error.what  # noqa: PT017 - some content is good
