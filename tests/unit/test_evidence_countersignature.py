"""Outside confirmation: which countersignatures the entry gate accepts, and every way in which one does not hold."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pytest

from sekisho.core import folders
from sekisho.core.clock import now
from sekisho.core.errors import BadInput, Refused, SekishoError
from sekisho.core.state import State, open_state
from sekisho.evidence import auditors, countersignature, keys, pack, statement
from sekisho.evidence.chain import Chain

SOON = (now() + timedelta(days=30)).date()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Policies of our own, which a test can change."""
    shutil.copytree(folders.data("policies"), tmp_path / "home" / "policies")
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = open_state(tmp_path / "state", create=True)
    note(state)
    return state


@pytest.fixture
def key(tmp_path: Path, state: State) -> Path:
    """An auditor's key, added to the state."""
    keys.generate(tmp_path / "auditor")
    auditors.add(state, keys.read_public(tmp_path / "auditor.pub"), name="監査法人", who="tester")
    return tmp_path / "auditor"


def note(state: State) -> None:
    with state.transaction() as tx:
        Chain(state).append(tx, "gate.result", {"type": "terminal", "name": "PC-0001"}, {})


def built(state: State, name: str = "pack.zip") -> Path:
    return pack.build(state, state.folder.parent / name, lang="ja", checks={}).path


def signed(path: Path, key: Path, *, verdict: Literal["yes", "no"] = "yes", expires: date = SOON) -> Path:
    raw = countersignature.sign(path, keys.read_private(key), verdict=verdict, expires=expires)
    out = path.with_suffix(".json")
    out.write_bytes(raw)
    return out


def standing(state: State) -> list[str]:
    return [one.en for one in countersignature.standing(state)]


def test_none_is_no_confirmation(state: State) -> None:
    assert "no outside confirmation" in standing(state)[0]


def test_a_good_one_holds_and_goes_on_holding(state: State, key: Path) -> None:
    one, seq = countersignature.accept(state, signed(built(state), key))
    assert standing(state) == []
    assert (one.length, seq) == (2, 3)
    note(state)
    assert standing(state) == []
    assert Chain(state).verify().length == 4


def test_a_verdict_of_no_ends_an_earlier_yes(state: State, key: Path) -> None:
    countersignature.accept(state, signed(built(state), key))
    countersignature.accept(state, signed(built(state, "second.zip"), key, verdict="no"))
    assert standing(state) == ["the auditor's verdict is no"]


def test_an_expired_one(state: State, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    countersignature.accept(state, signed(built(state), key))
    later = now() + timedelta(days=31)
    monkeypatch.setattr(countersignature, "now", lambda: later)
    assert any("expired" in reason for reason in standing(state))


def test_it_cannot_be_made_for_the_past(state: State, key: Path) -> None:
    with pytest.raises(BadInput, match="past"):
        signed(built(state), key, expires=date(2020, 1, 1))


@pytest.mark.parametrize("what", ["changed", "added", "removed"])
def test_changed_policies(state: State, key: Path, home: Path, what: str) -> None:
    countersignature.accept(state, signed(built(state), key))
    file = home / "policies" / "waves.yml"
    if what == "changed":
        file.write_text(file.read_text(encoding="utf-8") + "# looser\n", encoding="utf-8")
    elif what == "added":
        (home / "policies" / "more.yml").write_text("version: 1\n", encoding="utf-8")
    else:
        file.unlink()
    assert standing(state) == ["the policies have changed since the auditor saw them"]


def test_a_change_of_auditor_keys_voids_it(state: State, key: Path, tmp_path: Path) -> None:
    countersignature.accept(state, signed(built(state), key))
    keys.generate(tmp_path / "other")
    other = auditors.add(state, keys.read_public(tmp_path / "other.pub"), name="別の監査人", who="tester")
    assert any("auditor keys were changed" in reason for reason in standing(state))
    auditors.remove(state, other.fingerprint[:12], who="tester")
    assert any("auditor keys were changed" in reason for reason in standing(state))
    countersignature.accept(state, signed(built(state, "new.zip"), key))
    assert standing(state) == []


def test_a_removed_key(state: State, key: Path) -> None:
    countersignature.accept(state, signed(built(state), key))
    auditors.remove(state, keys.fingerprint(keys.read_public(key.with_suffix(".pub"))), who="tester")
    assert any("not one of the auditor keys" in reason for reason in standing(state))


def test_a_key_that_was_never_added(state: State, key: Path, tmp_path: Path) -> None:
    assert key.exists()
    keys.generate(tmp_path / "stranger")
    with pytest.raises(Refused, match="not one of the auditor keys"):
        countersignature.accept(state, signed(built(state), tmp_path / "stranger"))


def test_an_old_pack_from_before_the_key_was_added(state: State, tmp_path: Path) -> None:
    old = built(state, "old.zip")
    keys.generate(tmp_path / "auditor")
    auditors.add(state, keys.read_public(tmp_path / "auditor.pub"), name="監査法人", who="tester")
    with pytest.raises(Refused, match="after the pack was made"):
        countersignature.accept(state, signed(old, tmp_path / "auditor"))


def test_an_empty_pack(state: State, key: Path, tmp_path: Path) -> None:
    empty = open_state(tmp_path / "empty", create=True)
    file = signed(built(empty, "empty.zip"), key)
    with pytest.raises(Refused, match="the pack is empty"):
        countersignature.accept(state, file)


def test_another_states_pack(state: State, key: Path, tmp_path: Path) -> None:
    other = open_state(tmp_path / "other", create=True)
    for _ in range(3):
        note(other)
    with pytest.raises(Refused, match=r"(?s)another state's.*does not lie on this chain"):
        countersignature.accept(state, signed(built(other, "other.zip"), key))


def test_another_chain_under_the_same_key(state: State, key: Path, tmp_path: Path) -> None:
    """A copy of the state that went its own way: the head is signed by our key, but is not ours."""
    fork = open_state(tmp_path / "fork", create=True)
    shutil.copytree(state.path("keys"), fork.path("keys"))
    for _ in range(2):
        note(fork)
    with pytest.raises(Refused, match="does not lie on this chain"):
        countersignature.accept(state, signed(built(fork, "fork.zip"), key))


def test_our_own_key_cannot_be_an_auditors(state: State) -> None:
    with pytest.raises(Refused, match="signs our own records"):
        auditors.add(state, keys.read_public(state.path("keys", "signer.pub")), name="監査法人", who="tester")


def test_our_own_key_cannot_countersign(state: State) -> None:
    with pytest.raises(Refused, match="signed the pack itself"):
        signed(built(state), state.path("keys", "signer"))


def test_our_own_key_slipped_into_the_table(state: State, key: Path) -> None:
    own = keys.read_private(state.path("keys", "signer"))
    file = signed(built(state), key)
    one, _ = countersignature.read(file.read_bytes().strip(), "file")
    raw = countersignature.seal(one, own, "pack.zip")
    with state.transaction() as tx:
        public = own.public_key()
        row = (keys.fingerprint(public), "x", keys.public_pem(public), 1)
        tx.run("INSERT INTO auditor (fingerprint, name, public_key, added) VALUES (?, ?, ?, ?)", row)
        tx.run("INSERT INTO countersignature VALUES (?, ?, 1)", (statement.digest(raw), raw))
    assert "no outside confirmation" in standing(state)[0]
    file.write_bytes(raw)
    with pytest.raises(Refused, match=r"(?s)not one of the auditor keys.*its key has signed our own records"):
        countersignature.accept(state, file)


def test_an_older_yes_cannot_be_put_in_the_place_of_a_no(state: State, key: Path) -> None:
    countersignature.accept(state, signed(built(state), key))
    countersignature.accept(state, signed(built(state, "second.zip"), key, verdict="no"))
    with state.transaction() as tx:
        tx.run("UPDATE countersignature SET envelope = (SELECT envelope FROM countersignature ORDER BY record LIMIT 1)")
    assert any("not the one that was accepted" in reason for reason in standing(state))


def test_a_forged_verdict(state: State, key: Path) -> None:
    file = signed(built(state), key, verdict="no")
    raw = file.read_bytes()
    one, _ = countersignature.read(raw.strip(), "file")
    assert one.verdict == "no"
    other = signed(built(state, "again.zip"), key).read_bytes()
    mixed = other.replace(other.split(b'"sig":"')[1].split(b'"')[0], raw.split(b'"sig":"')[1].split(b'"')[0])
    file.write_bytes(mixed)
    with pytest.raises(Refused, match="signature"):
        countersignature.accept(state, file)


def test_the_same_one_twice(state: State, key: Path) -> None:
    file = signed(built(state), key)
    countersignature.accept(state, file)
    with pytest.raises(BadInput, match="already"):
        countersignature.accept(state, file)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"\xff\xfe", b'{"payload":"e30=","payloadType":"x","signatures":[]}']
)
def test_what_is_no_countersignature(state: State, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.json").write_bytes(raw)
    with pytest.raises(BadInput):
        countersignature.accept(state, tmp_path / "x.json")


def test_a_record_is_no_countersignature(state: State, tmp_path: Path) -> None:
    (one,) = Chain(state).records()
    (tmp_path / "x.json").write_bytes(one.envelope)
    with pytest.raises(BadInput, match="not a countersignature"):
        countersignature.accept(state, tmp_path / "x.json")


def test_a_tampered_pack_is_not_countersigned(state: State, key: Path) -> None:
    path = built(state)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 255
    path.write_bytes(raw)
    with pytest.raises(SekishoError):
        signed(path, key)


def test_no_pack_is_made_of_a_broken_chain(state: State, key: Path, tmp_path: Path) -> None:
    assert key.exists()
    with state.transaction() as tx:
        tx.run("DROP TRIGGER record_is_kept")
        tx.run("PRAGMA defer_foreign_keys = ON")
        tx.run("DELETE FROM record WHERE seq = 1")
    with pytest.raises(Refused, match="record 1 was removed"):
        built(state)
    assert not (tmp_path / "pack.zip").exists()


def test_a_private_key_that_others_can_read_is_refused(state: State, key: Path) -> None:
    key.chmod(0o644)
    with pytest.raises(BadInput, match="others"):
        signed(built(state), key)


def test_keys_are_never_overwritten(key: Path) -> None:
    with pytest.raises(BadInput, match="already"):
        keys.generate(key)
