"""The stand-alone verifier: whatever is done to a real pack, it names the very record; hostile zips do it no harm."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.core import folders
from sekisho.core.state import State, open_state
from sekisho.evidence import keys, pack, statement, verifier
from sekisho.evidence.chain import GENESIS, Chain

VERIFIER = folders.data("audit") / "verify_pack.py"
RECORDS = 9
Files = dict[str, bytes]


def make_state(folder: Path, count: int = RECORDS) -> State:
    state = open_state(folder, create=True)
    chain = Chain(state)
    for number in range(count):
        with state.transaction() as tx:
            chain.append(tx, "gate.result", {"type": "terminal", "name": f"PC-{number:04d}"}, {"gate": "entry"})
    return state


@pytest.fixture(scope="module")
def home() -> Path:
    """A state of nine records, the pack of six of them, and the pack of all."""
    folder = Path(tempfile.mkdtemp(prefix="sekisho-pack-"))
    state = make_state(folder / "state", 6)
    pack.build(state, folder / "before.zip", lang="ja", checks={})
    chain = Chain(state)
    for _ in range(3):
        with state.transaction() as tx:
            chain.append(tx, "gate.result", {"type": "terminal", "name": "PC-0007"}, {"gate": "exit"})
    pack.build(state, folder / "pack.zip", lang="ja", checks={})
    return folder


def read(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


def run(*arguments: object) -> tuple[int, str]:
    """Exit status and last line, as an auditor sees them."""
    argv = [sys.executable, "-I", VERIFIER, *arguments]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, (done.stdout.strip().splitlines() or [done.stderr])[-1]


def said(path: Path, **options: Path) -> tuple[int, str]:
    """The same, inside this process: quick enough for many examples."""
    code = verifier.program()
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    out = io.StringIO()
    stdout, sys.stdout = sys.stdout, out
    try:
        status = code.main([*argv, str(path)])
    finally:
        sys.stdout = stdout
    return status, out.getvalue().strip().splitlines()[-1]


def record(number: int) -> str:
    return f"records/{number:06d}.json"


def test_a_sound_pack_is_sound(home: Path) -> None:
    trust = home / "state" / "keys" / "signer.pub"
    assert run(home / "pack.zip", "--trust", trust, "--after", home / "before.zip")[0] == 0


def test_without_trust_and_after_it_says_what_is_not_proved(home: Path) -> None:
    done = subprocess.run([sys.executable, VERIFIER, home / "pack.zip"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "less than proof" in done.stdout
    assert "rewrite by the signer" in done.stdout
    state = open_state(home / "state")
    public = Chain(state).public_key()
    assert public is not None
    assert keys.fingerprint(public) in done.stdout


def test_another_signer_is_not_trusted(home: Path, tmp_path: Path) -> None:
    keys.generate(tmp_path / "other")
    status, line = run(home / "pack.zip", "--trust", tmp_path / "other.pub")
    assert (status, "not by the trusted key" in line) == (1, True)


def test_two_builds_are_the_same_bytes(home: Path, tmp_path: Path) -> None:
    pack.build(open_state(home / "state"), tmp_path / "again.zip", lang="ja", checks={})
    assert (tmp_path / "again.zip").read_bytes() == (home / "pack.zip").read_bytes()


def test_an_empty_pack_is_sound(tmp_path: Path) -> None:
    pack.build(make_state(tmp_path / "state", 0), tmp_path / "empty.zip", lang="en", checks={})
    assert run(tmp_path / "empty.zip")[0] == 0


def change(files: Files, number: int, data: st.DataObject) -> str:
    raw = bytearray(files[record(number)])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    files[record(number)] = bytes(raw)
    return f"record {number}: changed"


def remove(files: Files, number: int, data: st.DataObject) -> str:
    del files[record(number)]
    if data.draw(st.booleans()):  # and close the gap
        for later in range(number + 1, RECORDS + 1):
            files[record(later - 1)] = files.pop(record(later))
    return f"record {number}: removed"


def add(files: Files, number: int, data: st.DataObject) -> str:
    new = files[record(data.draw(st.integers(1, RECORDS)))]
    if data.draw(st.booleans()):
        new = new[:-30] + b" " + new[-30:]
    at = data.draw(st.sampled_from([number, RECORDS + 1]))
    if at <= RECORDS and new == files[record(at)]:
        at += 1  # a copy before its original is a copy after it
    for later in range(RECORDS, at - 1, -1):
        files[record(later + 1)] = files.pop(record(later))
    files[record(at)] = new
    return f"record {at}: added"


def reorder(files: Files, number: int, data: st.DataObject) -> str:
    other = data.draw(st.integers(1, RECORDS).filter(lambda value: value != number))
    files[record(number)], files[record(other)] = files[record(other)], files[record(number)]
    return f"record {min(number, other)}: reordered"


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(1, RECORDS),
    tamper=st.sampled_from([change, remove, add, reorder]),
    data=st.data(),
)
def test_the_verifier_names_the_very_record(
    home: Path,
    tmp_path: Path,
    number: int,
    tamper: Callable[[Files, int, st.DataObject], str],
    data: st.DataObject,
) -> None:
    files = read(home / "pack.zip")
    expected = tamper(files, number, data)
    status, line = said(write(tmp_path / "t.zip", files))
    assert (status, line.startswith(expected)) == (1, True), (expected, line)


@pytest.mark.parametrize("name", ["report.html", "ledger.json", "policies/tiers.yml", "manifest.json"])
def test_every_other_file_is_covered_too(home: Path, tmp_path: Path, name: str) -> None:
    for tamper in ("changed", "removed"):
        files = read(home / "pack.zip")
        if tamper == "removed":
            del files[name]
        else:
            files[name] = files[name][:-2] + b"x" + files[name][-1:]
        status, line = run(write(tmp_path / "t.zip", files))
        assert (status, line.startswith(f"{name}: {tamper}")) == (1, True), line


def test_a_file_that_nobody_listed_is_named(home: Path, tmp_path: Path) -> None:
    status, line = run(write(tmp_path / "t.zip", {**read(home / "pack.zip"), "notes.txt": b"hello"}))
    assert (status, line.startswith("notes.txt: added")) == (1, True)


def resign(home: Path, files: Files, chain: list[bytes]) -> Files:
    """What the signer himself can do: any chain, under a manifest that fits it."""
    key = keys.read_private(home / "state" / "keys" / "signer")
    kept = {name: raw for name, raw in files.items() if not name.startswith(("records/", "manifest"))}
    kept |= {record(number): raw for number, raw in enumerate(chain, 1)}
    old = statement.unseal(files["manifest.json"], "manifest").predicate
    subject = [{"name": name, "digest": {"sha256": statement.digest(raw)}} for name, raw in kept.items()]
    head = {"length": len(chain), "digest": statement.digest(chain[-1]) if chain else GENESIS}
    return {**kept, "manifest.json": statement.seal(key, statement.PACK, subject, {**old, "head": head})}


def rewritten(home: Path, files: Files) -> list[bytes]:
    """The whole chain written anew by the signer, with another third record."""
    key = keys.read_private(home / "state" / "keys" / "signer")
    chain: list[bytes] = []
    for number in range(1, RECORDS + 1):
        old = statement.unseal(files[record(number)], "r")
        body = {"gate": "never happened"} if number == 3 else old.predicate["body"]
        previous = statement.digest(chain[-1]) if chain else GENESIS
        said = {**old.predicate, "previous": previous, "body": body}
        chain.append(files[record(number)] if number < 3 else statement.seal(key, statement.RECORD, old.subject, said))
    return chain


def test_the_signers_rewrite_is_seen_only_with_the_earlier_pack(home: Path, tmp_path: Path) -> None:
    files = read(home / "pack.zip")
    path = write(tmp_path / "t.zip", resign(home, files, rewritten(home, files)))
    trust = home / "state" / "keys" / "signer.pub"
    assert run(path, "--trust", trust)[0] == 0
    status, line = run(path, "--trust", trust, "--after", home / "before.zip")
    assert (status, line.startswith("record 3: changed")) == (1, True), line


def test_a_shorter_chain_than_the_earlier_packs(home: Path, tmp_path: Path) -> None:
    files = read(home / "pack.zip")
    path = write(tmp_path / "t.zip", resign(home, files, [files[record(n)] for n in range(1, 5)]))
    status, line = run(path, "--after", home / "before.zip")
    assert (status, line.startswith("record 5: removed")) == (1, True), line


def test_links_hold_even_under_a_fitting_manifest(home: Path, tmp_path: Path) -> None:
    files = read(home / "pack.zip")
    whole = [files[record(n)] for n in range(1, RECORDS + 1)]
    for chain, expected in (
        (whole[:3] + whole[4:], "record 4: removed"),
        (whole[:2] + rewritten(home, files)[2:3] + whole[3:], "record 3: changed"),
        (whole[1:], "record 1: removed"),
    ):
        status, line = run(write(tmp_path / "t.zip", resign(home, files, chain)))
        assert (status, line.startswith(expected)) == (1, True), (expected, line)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "records/../../evil", "a\\b", "records//1", ".hidden", "C:evil"]
)
def test_names_that_lead_out_cannot_be_read(home: Path, tmp_path: Path, name: str) -> None:
    assert run(write(tmp_path / "t.zip", {**read(home / "pack.zip"), name: b"x"}))[0] == 2


def test_a_name_twice_cannot_be_read(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "t.zip", read(home / "pack.zip"))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(record(1), b"x")
    assert run(path)[0] == 2


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("manifest.json", "w") as stream:
        for _ in range(300):
            stream.write(bytes(1 << 20))
    assert run(path)[0] == 2


@pytest.mark.parametrize("raw", [b"", b"no zip", b"PK\x03\x04" + b"x" * 50, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_cannot_be_read(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.zip").write_bytes(raw)
    assert run(tmp_path / "t.zip")[0] == 2


def test_what_is_not_there_cannot_be_read(home: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "none.zip")[0] == 2
    assert run(home / "pack.zip", "--trust", tmp_path / "none.pub")[0] == 2
    assert run(home / "pack.zip", "--after", tmp_path / "none.zip")[0] == 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2000), value=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_file_never_passes_and_never_breaks_the_verifier(
    home: Path, tmp_path: Path, at: int, value: int, cut: bool
) -> None:
    raw = bytearray((home / "pack.zip").read_bytes())
    place = at * (len(raw) - 1) // 2000
    before = read(home / "pack.zip")
    if cut:
        raw = raw[:place]
    else:
        raw[place] ^= value
    path = tmp_path / "t.zip"
    path.write_bytes(raw)
    status, _ = said(path)
    if status == 0:  # a byte of the archive that carries nothing, such as a file's date
        assert read(path) == before


def test_the_verifier_is_short_enough_to_read() -> None:
    assert len(VERIFIER.read_text(encoding="utf-8").splitlines()) <= 310


def test_a_manifest_with_a_key_twice_is_not_taken(home: Path, tmp_path: Path) -> None:
    files = read(home / "pack.zip")
    envelope = json.loads(files["manifest.json"])
    files["manifest.json"] = (json.dumps(envelope)[:-1] + ', "payload": "e30="}').encode()
    status, line = run(write(tmp_path / "t.zip", files))
    assert (status, line.startswith("manifest.json: changed")) == (1, True)
