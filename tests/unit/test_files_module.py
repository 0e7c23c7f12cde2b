"""The playbooks' own module `sekisho_files`: what it lays, what it leaves alone, and what it tells beforehand."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


def lay(*files: dict[str, Any], words: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the module answers when Ansible runs it on this machine."""
    given = json.dumps({"files": [{"owner": USER, "group": GROUP, **one} for one in files]})
    argv = [Path(sys.executable).parent / "ansible", "-c", "local", "localhost"]
    done = subprocess.run(
        [*argv, "-m", "sekisho_files", "-a", given, *words],
        env={
            **os.environ,
            "ANSIBLE_LIBRARY": str(CHECKOUT / "playbooks" / "library"),
            "ANSIBLE_CONFIG": str(CHECKOUT / "playbooks" / "ansible.cfg"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = done.stdout.partition("=> ")[2]
    assert told, done.stdout + done.stderr
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(told)[0]
    return {**answer, "failed": done.returncode != 0}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_folders_and_files_are_laid_once(tmp_path: Path) -> None:
    folder, file = tmp_path / "etc", tmp_path / "etc" / "a.conf"
    files = ({"path": str(folder), "mode": "2750"}, {"path": str(file), "content": "一\n\n", "mode": "0600"})
    told = lay(*files, words=("--check",))
    assert (told["changed"], told["paths"]) == (True, [str(folder), str(file)])
    assert not folder.exists()
    assert lay(*files)["paths"] == [str(folder), str(file)]
    assert (file.read_text(encoding="utf-8"), mode(file), mode(folder)) == ("一\n\n", 0o600, 0o2750)
    assert [one.name for one in folder.iterdir()] == ["a.conf"]
    before = file.stat()
    assert (lay(*files)["changed"], file.stat()) == (False, before)


def test_what_has_drifted_is_told_and_mended(tmp_path: Path) -> None:
    text, kept, moded = tmp_path / "text", tmp_path / "kept", tmp_path / "moded"
    files = tuple({"path": str(path), "content": "as it should be\n", "mode": "0644"} for path in (text, kept, moded))
    lay(*files)
    text.write_text("by hand\n")
    moded.chmod(0o666)
    told = lay(*files, words=("--check", "--diff"))
    assert told["paths"] == [str(text), str(moded)]
    assert (text.read_text(), mode(moded)) == ("by hand\n", 0o666)
    assert lay(*files)["paths"] == [str(text), str(moded)]
    assert (text.read_text(), mode(text), mode(moded)) == ("as it should be\n", 0o644, 0o644)


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("another's\n")
    link.symlink_to(target)
    lay({"path": str(link), "content": "ours\n", "mode": "0644"})
    assert (link.is_symlink(), link.read_text(), target.read_text()) == (False, "ours\n", "another's\n")


@pytest.mark.parametrize("content", ["x\n", None], ids=["a file", "a folder"])
def test_what_is_something_else_is_left_and_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "there"
    if content is None:
        path.write_text("a file")
    else:
        path.mkdir()
    told = lay({"path": str(path), "mode": "0644"} | ({} if content is None else {"content": content}))
    assert told["failed"]
    assert f"{path} is there, and is no" in told["msg"]
    assert path.is_dir() == (content is not None)


def test_without_its_folder_a_file_is_not_laid(tmp_path: Path) -> None:
    path = tmp_path / "no" / "a.conf"
    told = lay({"path": str(path), "content": "x", "mode": "0644"})
    assert told["failed"]
    assert told["msg"] == f"{path}: No such file or directory"
