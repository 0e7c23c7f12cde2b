"""What a tired official is told who gives a wrong command, or whose machine lacks something.

Every answer is a line or a few in plain words with what to do next, and an exit code that says whose turn it is: 1 for
a no, 2 for wrong use or bad input, 3 for something missing here. A traceback is never among them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sekisho.cli import app as front
from sekisho.core import folders
from sekisho.core.state import open_state
from sekisho.migration.lock import RunLock

EXAMPLE = folders.data("inventory") / "example" / "ledger.csv"


@dataclass(frozen=True)
class Told:
    """What a command answered: its exit code, and what stood on standard error."""

    code: int
    words: str
    out: str


Run = Callable[..., Told]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The front door itself, in this process."""

    def go(*words: str | Path, lang: str | None = None) -> Told:
        monkeypatch.setattr(sys, "argv", ["sekisho", *map(str, words), *(["--lang", lang] if lang else [])])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            front.main()
        out, words_ = capsys.readouterr()
        assert "Traceback" not in out + words_
        assert "a fault in sekisho itself" not in words_
        return Told(int(stop.value.code or 0), words_, out)

    return go


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with the example ledger and the pilot wave, made once."""
    folder = tmp_path_factory.mktemp("planned") / "state"
    sekisho = Path(sys.executable).parent / "sekisho"
    for words in (("fleet", "import", EXAMPLE), ("plan",)):
        subprocess.run([sekisho, *words, "--state", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def state(planned: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return shutil.copytree(planned, tmp_path / "state")


COMMANDS = [
    ("status",),
    ("plan",),
    ("migrate", "--wave", "pilot"),
    ("rollback", "PC-0001"),
    ("release", "PC-0001", "--cleaned-by", "情報政策課", "--reinstalled", "2026-01-31"),
    ("fleet", "list"),
    ("fleet", "show", "PC-0001"),
    ("fleet", "devices"),
    ("pack", "build", "-o", "/nonexistent/pack.zip"),
    ("auditor", "list"),
    ("identity", "table"),
    ("network", "show"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_without_a_state_it_says_so_and_makes_none(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    told = run(*words, "--state", tmp_path / "none")
    assert told.code == 3
    assert str(tmp_path / "none") in told.words
    assert "sekisho fleet import" in told.words
    assert not (tmp_path / "none").exists()


def test_an_empty_state_is_no_error_of_the_ledger(run: Run, tmp_path: Path) -> None:
    open_state(tmp_path / "state", create=True).close()
    assert run("fleet", "list", "--state", tmp_path / "state").code == 0
    assert run("plan", "--state", tmp_path / "state").code == 0
    told = run("migrate", "--wave", "pilot", "--state", tmp_path / "state", lang="en")
    assert told.code == 2
    assert "sekisho: there is no wave pilot" in told.words


@pytest.mark.parametrize("words", [("migrate",), ("status", "--offline"), ("rollback",), ("migrate", "--dry-run")])
def test_a_wave_that_is_not_there(run: Run, state: Path, words: tuple[str, ...]) -> None:
    told = run(*words, "--wave", "spring", "--state", state, lang="en")
    assert told.code == 2
    assert "wave spring" in told.words
    assert "sekisho plan" in told.words


def test_a_wave_that_is_done(run: Run, state: Path) -> None:
    with sqlite3.connect(state / "sekisho.db") as database:
        database.execute("UPDATE terminal SET standing = 'confirmed' WHERE wave = 'pilot'")
    assert "wave pilot is done" in run("migrate", "--wave", "pilot", "--state", state, lang="en").words
    told = run("migrate", "--wave", "pilot", "--state", state, lang="ja")
    assert told.code == 2
    assert "ウェーブ pilot は完了している" in told.words


@pytest.mark.parametrize("words", [("rollback", "PC-0001"), ("migrate", "--wave", "pilot"), ("plan",)])
def test_a_state_that_another_run_holds(run: Run, state: Path, words: tuple[str, ...]) -> None:
    with RunLock(state, "wave early-1"):
        told = run(*words, "--state", state, lang="en")
    assert told.code == 2
    assert "another run is at work: wave early-1" in told.words
    assert f"process {os.getpid()}" in told.words


@pytest.mark.parametrize(
    "words",
    [
        ("rollback", "PC-9999"),
        ("plan", "--terminal", "PC-9999"),
        ("fleet", "show", "PC-9999"),
        ("release", "PC-9999", "--cleaned-by", "x", "--reinstalled", "2026-01-31"),
    ],
)
def test_a_terminal_that_is_not_there(run: Run, state: Path, words: tuple[str, ...]) -> None:
    told = run(*words, "--state", state, lang="en")
    assert told.code == 2
    assert "the ledger has no terminal PC-9999" in told.words


@pytest.mark.parametrize("asset", ["MN-0001", "PR-0001"])
@pytest.mark.parametrize(
    "words", [("plan", "--terminal"), ("rollback",), ("release", "--cleaned-by", "x", "--reinstalled", "2026-01-31")]
)
def test_a_my_number_terminal_and_a_printer_never_move(
    run: Run, state: Path, words: tuple[str, ...], asset: str
) -> None:
    before = (state / "sekisho.db").stat().st_mtime_ns
    told = run(*words, asset, "--state", state)
    assert told.code == 1
    assert asset in told.words
    assert "移行対象外" in told.words
    assert (state / "sekisho.db").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "--lang", "xx"), "'--lang' に 'xx' は指定できない。次のいずれか: 'ja', 'en'"),
        (("status", "--state", __file__), f"'--state' にはフォルダを指定する。{__file__!r} はファイル"),
        (("migrate",), "--wave"),
        (("migrat",), "'migrat' という命令はない"),
        (("rollback",), "端末かウェーブ"),
        (("rollback", "PC-0001", "--wave", "pilot"), "端末かウェーブ"),
        (("release", "PC-0001", "--cleaned-by", "x"), "--scan-report"),
        (("release", "PC-0001", "--cleaned-by", "x", "--reinstalled", "gestern"), "gestern"),
        (("fleet", "list", "--standing", "flying"), "flying"),
        (("lab", "status", "--name", "nosuchlab"), "no lab 'nosuchlab'"),
        (("lab", "power", "pc-0001"), "on or off"),
        (("pack", "countersign", "p", "--key", "k", "--verdict", "perhaps", "--expires", "x", "-o", "o"), "perhaps"),
    ],
)
def test_wrong_use(run: Run, state: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str) -> None:
    monkeypatch.setenv("SEKISHO_STATE", str(state))
    told = run(*words)
    assert told.code == 2
    assert said in told.words
    assert "→" in told.words
    assert "Value error" not in told.words


def test_a_pack_that_is_no_zip(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_text("this is no zip", encoding="utf-8")
    told = run("pack", "verify", tmp_path / "pack.zip")
    assert told.code == 2
    assert "pack.zip" in told.out + told.words


def test_a_database_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sekisho.db").write_text("not a database " * 100, encoding="utf-8")
    told = run("status", "--state", tmp_path)
    assert told.code == 2
    assert "sekisho.db" in told.words


def test_a_database_that_is_cut_short(run: Run, state: Path) -> None:
    raw = (state / "sekisho.db").read_bytes()
    (state / "sekisho.db").write_bytes(raw[: len(raw) // 2])
    for words in (("fleet", "list"), ("plan",), ("pack", "build", "-o", state / "p.zip")):
        told = run(*words, "--state", state)
        assert told.code in {2, 3}
        assert str(state) in told.words


def test_a_ledger_that_says_nonsense(run: Run, state: Path) -> None:
    with sqlite3.connect(state / "sekisho.db") as database:
        database.execute("UPDATE terminal SET standing = 'flying' WHERE asset = 'PC-0001'")
    told = run("fleet", "list", "--state", state, lang="en")
    assert told.code == 2
    assert "PC-0001: the ledger says 'flying'" in told.words


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Policies of our own, for a test to spoil."""
    shutil.copytree(folders.data("policies"), tmp_path / "home" / "policies")
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "policies"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("waves.yml", "batch: 6", "batsh: 6", "batsh: unknown key"),
        ("waves.yml", "batch: 6", "batch: six", "batch: "),
        ("waves.yml", "batch: 6", "batch: [", "waves.yml:"),
        ("gates.yml", "- disk-space", "- disc-space", "unknown check 'disc-space'"),
        ("tiers.yml", "from: mynumber, to: juki", "from: mynumbre, to: juki", "'mynumbre' is no tier, segment or host"),
    ],
)
def test_a_policy_that_is_wrong(run: Run, state: Path, home: Path, file: str, old: str, new: str, said: str) -> None:
    text = (home / file).read_text(encoding="utf-8")
    assert old in text
    (home / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    words = ("network", "compile") if file == "tiers.yml" else ("migrate", "--wave", "pilot", "--state", state)
    told = run(*words, lang="en")
    assert told.code == 2
    assert said in told.words
    assert file in told.words


def test_a_missing_program(run: Run, state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (state / "ssh").mkdir(exist_ok=True)
    (state / "ssh" / "assign_ed25519").write_text("", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    told = run("identity", "table", "--state", state, lang="en")
    assert told.code == 3
    assert "the program ssh is not installed" in told.words


def test_a_state_that_was_never_provisioned(run: Run, state: Path) -> None:
    told = run("identity", "table", "--state", state, lang=None)
    assert told.code == 3
    assert "playbooks/site.yml" in told.words


def as_nobody(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command as a user without rights; already being one will do."""
    sekisho = Path(sys.executable).parent / "sekisho"
    who = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run([sekisho, *words], cwd="/", capture_output=True, text=True, **who)  # type: ignore[call-overload]


def test_the_lab_needs_root(tmp_path: Path) -> None:
    told = as_nobody("lab", "up", "--name", "nobodys", "--state", "/nonexistent/state")
    assert told.returncode == 3
    assert "root" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a folder that is root's needs root to make it")
def test_a_state_of_root_is_closed_to_others(state: Path) -> None:
    state.chmod(0o700)
    for words in (("fleet", "list"), ("plan",)):
        told = as_nobody(*words, "--state", state)
        assert told.returncode == 3
        assert str(state) in told.stderr
        assert "Traceback" not in told.stderr
        assert "fault in sekisho" not in told.stderr


def test_a_place_that_is_closed_to_the_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    told = as_nobody("auditor", "keygen", tmp_path / "closed" / "key")
    assert told.returncode == 3
    assert str(tmp_path) in told.stderr
    assert "Traceback" not in told.stderr
    assert "fault in sekisho" not in told.stderr


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_is_named_and_leaves_the_ledger_as_it_was(run: Run, small: Path, planned: Path) -> None:
    state = shutil.copytree(planned, small / "state", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    before = run("fleet", "list", "--json", "--state", state).out
    (small / "filling").write_bytes(b"0" * (os.statvfs(small).f_bavail * os.statvfs(small).f_frsize))
    told = run("fleet", "import", folders.data("inventory") / "example" / "ledger-6000.csv", "--state", state)
    assert told.code == 3
    assert str(small) in told.words
    told = run("pack", "build", "-o", small / "pack.zip", "--state", state)
    assert told.code == 3
    assert not (small / "pack.zip").exists()
    (small / "filling").unlink()
    assert run("fleet", "list", "--json", "--state", state).out == before


def test_a_read_only_disk(run: Run, small: Path, planned: Path) -> None:
    state = shutil.copytree(planned, small / "state", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    for words in (("plan",), ("migrate", "--wave", "pilot"), ("rollback", "PC-0001")):
        told = run(*words, "--state", state)
        assert told.code == 3
        assert str(state) in told.words
