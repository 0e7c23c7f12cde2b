"""What the documents say is so: commands exist with their options, links lead somewhere, dependencies are explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sekisho.cli import app as front_door
from sekisho.lab.packages import PACKAGES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")]
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


@pytest.fixture(scope="module")
def root() -> Any:
    """The whole command line, as `sekisho --help` knows it."""
    front_door._register(None)
    return typer.main.get_command(front_door.app)


def quoted(text: str) -> list[list[str]]:
    """The words after `sekisho` in every command line that a document quotes, up to `--`, a pipe or a comment."""
    fence = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    lines = [line for block in fence.findall(text) for line in block.splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", fence.sub("", text))]
    commands = [command for line in lines for command in re.split(r"[|;&#()]| -- ", line)]
    return [found[1].split() for command in commands if (found := re.match(r"\s*(?:\S+/)?sekisho ([a-z-].*)", command))]


def wrong(root: Any, words: list[str]) -> str:
    """What a quoted command line has that the program does not; empty when it has all of it."""
    command = root
    for word in words:
        if word.startswith("--"):
            known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help"}:
                return f"no option {word}"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"no command {word}"
            command = command.commands[word]
    return ""


def test_every_quoted_command_exists(root: Any) -> None:
    lines = [(path.name, words) for path in DOCUMENTS for words in quoted(path.read_text(encoding="utf-8"))]
    assert len(lines) > 5
    faults = [f"{name}: sekisho {' '.join(words)}: {fault}" for name, words in lines if (fault := wrong(root, words))]
    assert not faults


def test_a_command_that_does_not_exist_is_noticed(root: Any) -> None:
    text = "Say `sekisho teleport PC-0001`, or\n```\nsekisho lab up --nmae x\n.venv/bin/sekisho lab down\n```\n"
    assert [wrong(root, words) for words in quoted(text)] == ["no option --nmae", "", "no command teleport"]


def test_every_link_leads_somewhere() -> None:
    links = [
        (path, target)
        for path in DOCUMENTS
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert not [f"{path.name}: {target}" for path, target in links if not (path.parent / target).exists()]


def test_every_named_path_exists() -> None:
    """Paths of the checkout in backticks: `folder/` or `folder/file.ext`, from the root or from the package."""
    named = [
        (path, name)
        for path in (ROOT / "docs").glob("**/*.md")
        for name in re.findall(r"`((?:[a-z_]+/)+[a-z0-9_.-]*)`", path.read_text(encoding="utf-8"))
    ]
    elsewhere = {"runs/"}  # in the state folder
    bases = (ROOT, ROOT / "tools" / "sekisho")
    gone = [f"{path.name}: {name}" for path, name in named if not any((base / name).exists() for base in bases)]
    assert not [line for line in gone if line.rpartition(" ")[2] not in elsewhere]


def test_every_dependency_is_explained() -> None:
    asked = "\n".join((ROOT / "requirements" / name).read_text() for name in ("runtime.in", "develop.in"))
    python = {re.split(r"[\[<>=;]", line)[0] for line in asked.splitlines() if line and not line.startswith(("-r", "#"))}
    makefile = re.search(r"^DEBIAN_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert makefile is not None
    table = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    first = {
        re.split(r" [<>=0-9]", name)[0]
        for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
        for name in row.split(", ")
    }
    assert not {*python, *makefile[1].split(), *PACKAGES} - first


def test_the_lock_names_no_address_and_has_hashes() -> None:
    for name in ("runtime.txt", "develop.txt"):
        lock = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        assert "://" not in lock
        assert all("--hash=sha256:" in pin for pin in re.split(r"\n(?=[a-z])", lock)[1:])


def test_every_decision_is_listed_and_short() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert ADRS
    for path in ADRS:
        assert f"]({path.name})" in listed
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 50, f"{path.name} is longer than a page"
