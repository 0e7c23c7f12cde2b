"""`sekisho rules import`: a release is taken whole or not at all, whatever the archive was made for."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import signal
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpora import corpora
from releases import COMMIT, VERSION, document, linked, sigmahq, special, taped, zipped
from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.detection.release import archive, held, taking
from test_command import SEKISHO, run

GOOD = {"version.txt": VERSION.format("2026-08-05", COMMIT).encode(), "rules/a.yml": document("a")}
MIB = 1024 * 1024


def there(state: Path) -> dict[str, bytes]:
    """All that a state folder has of releases."""
    base = state / "rules"
    return {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in sorted(base.rglob("*"))
        if path.is_file() and path.name != "lock" and not path.relative_to(base).parts[0].startswith(".")
    }


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that has a release."""
    taking.take(tmp_path / "state", zipped(tmp_path / "good.zip", GOOD))
    return tmp_path / "state"


def test_a_release_says_its_version_and_what_it_changes(state: Path, tmp_path: Path) -> None:
    first = held.of(state)
    assert first is not None
    assert (first.current.version, first.current.commit, first.current.files) == ("r2026-08-05", COMMIT, 1)
    assert first.current.imported.tzinfo is not None
    files = [
        ("sigma-r2026-09-01/rules/linux/b.yml", document("b", "new")),
        ("sigma-r2026-09-01/rules/moved.yml", document("a", level="critical")),
        ("sigma-r2026-09-01/rules-threat-hunting/c.yaml", document("c")),
        ("sigma-r2026-09-01/deprecated/rules/d.yml", b"[broken"),
        ("sigma-r2026-09-01/tests/e.yml", document("e")),
        ("sigma-r2026-09-01/rules/README.md", b"# no rule"),
    ]
    path = taped(tmp_path / "sigma.tar.gz", files)
    look = taking.take(state, path, only_look=True)
    assert held.of(state) == first
    outcome = taking.take(state, path)
    assert outcome.changes == look.changes
    assert (outcome.release.version, outcome.release.commit, outcome.rules) == ("r2026-09-01", COMMIT, 3)
    assert [[one.id for one in some] for some in outcome.changes] == [["b", "c"], ["a"], []]
    (changed,) = outcome.changes.changed
    assert changed.keys == ("level",), "where it lies is no matter"
    found = held.rules(state)
    assert found is not None
    assert {path.relative_to(found).as_posix() for path in found.rglob("*.y*ml")} == {
        "rules/linux/b.yml",
        "rules/moved.yml",
        "rules-threat-hunting/c.yaml",
    }


def test_a_version_is_only_text(tmp_path: Path) -> None:
    said = "Release Date: \x1b[31m2026\x7f-08\ufffe\nLabel: N/A\n" + "x" * 10_000 + ": \n: y\n\x00"
    path = tmp_path / os.fsdecode(b"odd\xff\x1b.zip")
    taking.take(tmp_path, zipped(path, {**GOOD, "version.txt": said.encode() + b"\xff\xfe"}))
    found = held.of(tmp_path)
    assert found is not None
    assert (found.current.version, found.current.archive) == ("[31m2026-08", "odd.zip")
    names = zipped(tmp_path / "none.zip", {"rules/a.yml": document("a")})
    assert taking.take(tmp_path, names).release.version is None


def test_the_release_before_is_kept_and_can_be_gone_back_to(state: Path, tmp_path: Path) -> None:
    archives = [zipped(tmp_path / f"{key}.zip", {"rules/x.yml": document(key)}) for key in "bc"]
    for path in archives:
        taking.take(state, path)
    assert len([one for one in (state / "rules").iterdir() if one.is_dir()]) == 2, "the first is gone"
    outcome = taking.take(state, archives[0])
    assert [one.id for one in outcome.changes.added] == ["b"]
    now = held.of(state)
    assert now is not None
    assert now.previous is not None
    assert (now.current.archive, now.previous.archive) == ("b.zip", "c.zip")
    before = there(state)
    assert taking.take(state, archives[0]).same
    assert there(state) == before, "the same again changes nothing"


def test_what_somebody_changed_by_hand_is_mended_by_the_same_archive(state: Path, tmp_path: Path) -> None:
    before = there(state)
    (rules,) = (state / "rules").rglob("a.yml")
    rules.unlink()
    taking.take(state, tmp_path / "good.zip")
    found = there(state)
    assert found.keys() == before.keys()
    assert rules.read_bytes() == GOOD["rules/a.yml"]


def _bomb(path: Path) -> Path:
    return zipped(path, {**GOOD, "rules/bomb.yml": b"a" * (archive.LARGEST + 1)})


def _many_bombs(path: Path) -> Path:
    piece = b"#" * archive.LARGEST
    return zipped(path, {f"rules/{number}.yml": piece for number in range(65)})


def _gz_bomb(path: Path) -> Path:
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(257):
            file.write(bytes(MIB))
    return path


def _header_bomb(path: Path) -> Path:
    about = special("rules/a.yml", tarfile.XHDTYPE)
    about.size = 300 * MIB
    with gzip.open(path, "wb") as file:
        file.write(about.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(300):
            file.write(bytes(MIB))
    return path


def _hundred_thousand(path: Path) -> Path:
    return zipped(path, ((f"rules/{number}.yml", b"") for number in range(100_000)), zipfile.ZIP_STORED)


def _hundred_thousand_taped(path: Path) -> Path:
    about = tarfile.TarInfo("rules/a.yml")
    path.write_bytes(gzip.compress(about.tobuf() * 100_000))
    return path


def _twice(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(path, [("rules/a.yml", document("a")), ("rules/a.yml", document("b"))])


def _encrypted(path: Path) -> Path:
    raw = bytearray(zipped(path, GOOD).read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = raw.find(mark)
        while place >= 0:
            raw[place + at] |= 1
            place = raw.find(mark, place + 4)
    path.write_bytes(raw)
    return path


def _damaged(path: Path) -> Path:
    raw = bytearray(zipped(path, GOOD, zipfile.ZIP_STORED).read_bytes())
    raw[raw.find(b"title")] ^= 1
    path.write_bytes(raw)
    return path


def _bad_header_in_the_middle(path: Path) -> Path:
    raw = bytearray(gzip.decompress(taped(path, [(f"rules/{key}.yml", document(key)) for key in "abc"]).read_bytes()))
    raw[raw.find(b"rules/b.yml")] ^= 1
    path.write_bytes(gzip.compress(raw))
    return path


def _cut(path: Path) -> Path:
    raw = taped(path, [(f"rules/{key}.yml", document(key, "t" * 5000)) for key in "abc"]).read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    return path


def _fault(data: bytes) -> Callable[[Path], Path]:
    return lambda path: zipped(path, {**GOOD, "rules/b.yml": data})


def _named(name: str) -> Callable[[Path], Path]:
    return lambda path: zipped(path, {**GOOD, name: document("b")})


def _tape(*some: tuple[str, bytes] | tarfile.TarInfo) -> Callable[[Path], Path]:
    return lambda path: taped(path, [("rules/a.yml", document("a")), *some])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_bomb, "too large"),
        (_many_bombs, "too large"),
        (_gz_bomb, "too large"),
        (_header_bomb, "too large"),
        (_hundred_thousand, "more than 50,000 files"),
        (_hundred_thousand_taped, "more than 50,000 files"),
        (_named("../rules/b.yml"), "leads out of it: ../rules/b.yml"),
        (_named("rules/../../b.yml"), "leads out of it"),
        (_named("/etc/cron.d/b.yml"), "leads out of it"),
        (_named("rules\\..\\b.yml"), "leads out of it"),
        (_named("C:/rules/b.yml"), "leads out of it"),
        (_named("rules/\x1b[2J.yml"), "cannot be used"),
        (_named("rules/" + "x" * 300 + ".yml"), "cannot be used"),
        (_named("rules/" + "x/" * 30 + "b.yml"), "cannot be used"),
        (_named("rules/a.yml/b.yml"), "stands twice"),
        (_tape(("../../b.yml", b"")), "leads out of it"),
        (_tape(("/b.yml", b"")), "leads out of it"),
        (lambda path: linked(path, "rules/b.yml"), "a link"),
        (lambda path: linked(path, "rules", ".."), "a link"),
        (_tape(special("rules/b.yml", tarfile.SYMTYPE)), "a link"),
        (_tape(special("rules/b.yml", tarfile.LNKTYPE, "rules/a.yml")), "a link"),
        (_tape(special("rules/b.yml", tarfile.FIFOTYPE)), "a link, or no ordinary file"),
        (_tape(special("rules/b.yml", tarfile.BLKTYPE)), "a link, or no ordinary file"),
        (_twice, "stands twice"),
        (_encrypted, "encrypted"),
        (_damaged, "damaged"),
        (_bad_header_in_the_middle, "from its middle on"),
        (_cut, "damaged"),
        (lambda path: zipped(path, GOOD, zipfile.ZIP_LZMA), "packed in a rare way"),
        (_fault(b"a: [1"), "rules/b.yml: not YAML"),
        (_fault(b"\xff\xfe"), "rules/b.yml: not YAML"),
        (_fault(b"- 1"), "rules/b.yml: no rule"),
        (_fault(b"a: " + b"[" * 100_000), "nested too deep"),
        (_fault(document("a")), "rules/b.yml: it has the id of rules/a.yml"),
        (_fault(document("b") + b"---\n" + document("b")), "rules/b.yml: it has the id of rules/b.yml"),
        (_fault(document("b", id=None)), "no id"),
        (_fault(document("b", detection=None)[:40]), "no detection"),
        (_fault(b"title: f\nid: f\nfilter: {rules: any, x: {A: 1}, condition: not x}\n"), "filters are not taken"),
        (lambda path: zipped(path, {"readme.yml": document("a")}), "there are no rules"),
        (lambda path: zipped(path, {"regression_data/rules/a.yml": document("a"), "x": b""}), "there are no rules"),
        (lambda path: zipped(path, {}), "neither a zip nor"),
    ],
)
def test_what_was_made_to_harm_or_is_broken_changes_nothing(
    state: Path, tmp_path: Path, make: Callable[[Path], Path], told: str
) -> None:
    before = there(state)
    path = make(tmp_path / "bad")
    outside = {one for one in tmp_path.rglob("*") if state not in one.parents}
    with pytest.raises(BadInput) as caught:
        taking.take(state, path)
    assert told in caught.value.told("en")
    assert str(path) in caught.value.told("ja")
    assert there(state) == before
    assert {one for one in tmp_path.rglob("*") if state not in one.parents} == outside
    assert not [one for one in (state / "rules").iterdir() if one.name.startswith(".")], "nothing is left behind"


def test_what_is_no_file_is_refused(state: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="no ordinary file"):
        taking.take(state, tmp_path / "pipe")
    with pytest.raises(Missing):
        taking.take(state, tmp_path / "gone.zip")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 65 * MIB)
    with pytest.raises(BadInput, match="too large"):
        taking.take(state, tmp_path / "large")


def test_the_command_tells_what_is_wrong_and_where(state: Path, tmp_path: Path) -> None:
    bad = zipped(
        tmp_path / "bad.zip", {"rules/a.yml": document("a"), "rules/b.yml": document("a"), "rules/c.yml": b"["}
    )
    told = run("rules", "import", bad, "--state", state, "--lang", "ja", code=2).stderr
    assert f"{bad}: 正しくないルールが2件ある" in told
    assert "rules/b.yml: idが rules/a.yml と同じ" in told
    assert "Traceback" not in told
    run("rules", "import", tmp_path / "gone.zip", "--state", state, code=3)


def test_one_that_was_stopped_before_its_last_step_never_was(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held.of(state)
    path = zipped(tmp_path / "b.zip", {"rules/b.yml": document("b")})
    with monkeypatch.context() as patch:
        patch.setattr(held, "write_atomic", _stopped)
        with pytest.raises(KeyboardInterrupt):
            taking.take(state, path)
    assert held.of(state) == before
    found = held.rules(state)
    assert found is not None
    assert (found / "rules" / "a.yml").read_bytes() == GOOD["rules/a.yml"]
    taking.take(state, tmp_path / "good.zip", only_look=True)
    assert [one.name for one in (state / "rules").iterdir() if one.is_dir()] == [found.name], "what it left is gone"


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_import_at_a_time(state: Path, tmp_path: Path) -> None:
    with (state / "rules" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="another import"):
            taking.take(state, tmp_path / "good.zip")


def test_a_damaged_record_of_releases_is_told(state: Path) -> None:
    (state / "rules" / "release.json").write_text('{"version": 1}')
    with pytest.raises(SekishoError, match=r"release\.json"):
        held.rules(state)


def _json(*words: object) -> dict[str, Any]:
    found = json.loads(run(*words, "--json").stdout)
    assert isinstance(found, dict)
    return found


@corpora
def test_sigmahq_as_it_is_published(tmp_path: Path) -> None:
    """Its package, then its source with some rules gone, changed and new; and an import that is killed."""
    state, files = tmp_path / "state", sigmahq()
    package = zipped(tmp_path / "sigma_all_rules.zip", {**files, "version.txt": GOOD["version.txt"]})
    first = _json("rules", "import", package, "--state", state)
    assert (first["rules"], len(first["added"]), first["before"]) == (3754, 3754, None)
    assert first["active"] == 1715, "high and critical, test and stable"
    assert all("expand" in one["reason"] for one in first["unusable"])
    assert len(first["unusable"]) == 2
    names = list(files)
    gone, changed = names[::400], names[1::400]
    for name in gone:
        del files[name]
    for name in changed:
        files[name] = files[name].replace(b"\nlevel: ", b"\nx-note: changed\nlevel: ")
    source = [(f"sigma-r2026-09-01/{name}", data) for name, data in files.items()]
    source += [("sigma-r2026-09-01/rules/new.yml", document("new")), ("sigma-r2026-09-01/.yamllint", b"[")]
    tape = taped(tmp_path / "r2026-09-01.tar.gz", source)
    before = there(state)
    look = _json("rules", "import", tape, "--check", "--state", state)
    assert there(state) == before
    assert {name: len(look[name]) for name in ("added", "changed", "removed")} == {
        "added": 1,
        "changed": len(changed),
        "removed": len(gone),
    }
    assert all(one["keys"] == ["x-note"] for one in look["changed"])
    child = subprocess.Popen([str(SEKISHO), "rules", "import", str(tape), "--state", str(state)])
    while child.poll() is None and not any(one.name.startswith(".") for one in (state / "rules").iterdir()):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert there(state) == before, "it was killed before it was done"
    told = run("rules", "import", tape, "--state", state).stdout
    assert "r2026-09-01" in told
    listed = _json("rules", "list", "--all", "--state", state)
    assert listed["release"]["version"] == "r2026-09-01"
    reasons = {one["id"]: one["reason"] for one in listed["rules"]}
    assert reasons["new"] == "it fits the policy"
    assert {"its level, medium, is not wanted", "its status, experimental, is not wanted"} <= set(reasons.values())
