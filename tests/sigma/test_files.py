"""Which files are meant by paths: each once, in the order of paths, however they are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sekisho.core.errors import BadInput, Missing
from sekisho.detection.rules import files

NAMES = ["b.yml", "a-b/c.yml", "a/c.yml", "a/b/d.yaml", "a.b/e.yml", ".hidden/é.yml", "関/x y.yml"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "a/readme.txt", "ours/rule.yml", "ours/guide.yml"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Path(name).touch()


@pytest.mark.parametrize("folder", [".", "./", "a/.."])
def test_a_folder_stands_for_all_yaml_in_it_but_guides(folder: str) -> None:
    wanted = sorted(Path(folder) / name for name in (*NAMES, "ours/rule.yml"))
    assert files.under([Path(folder)]) == [str(one) for one in wanted]


def test_each_is_there_once() -> None:
    assert files.under([Path("./a"), Path("a"), Path("a/c.yml"), Path()])[:2] == ["a/b/d.yaml", "a/c.yml"]
    assert len(files.under([Path(), Path("b.yml"), Path("a")])) == len(NAMES) + 1
    assert files.under([Path("ours/guide.yml")]) == ["ours/guide.yml"], "asked for by name"


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(Missing):
        files.under([Path("c.yml")])
    Path("empty").mkdir()
    with pytest.raises(BadInput):
        files.under([Path("a"), Path("empty")])
