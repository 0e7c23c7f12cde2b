"""A service's password is made once, stays on control, and its hash follows it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from sekisho.identity.accounts import account


def fits(password: str, hashed: str) -> bool:
    """Whether a hash is PBKDF2 of the password, in the form of Elasticsearch's file realm."""
    assert hashed.startswith("{PBKDF2}")
    rounds, salt, digest = hashed.removeprefix("{PBKDF2}").split("$")
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(rounds), 32)
    return base64.b64decode(digest) == found


def test_a_password_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "secrets" / "elasticsearch"
    hashed, made = account(folder, "writer")
    password = (folder / "writer").read_text().strip()
    assert made
    assert len(password) >= 40
    assert password not in hashed
    assert fits(password, hashed)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert account(folder, "writer") == (hashed, False)
    assert account(folder, "reader")[0] != hashed


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    assert account(tmp_path / "none", "writer", dry_run=True) == ("", True)
    assert not (tmp_path / "none").exists()


def test_the_hash_follows_a_password_that_was_replaced_by_hand(tmp_path: Path) -> None:
    before, _ = account(tmp_path, "writer")
    (tmp_path / "writer").write_text("another\n")
    after, made = account(tmp_path, "writer")
    assert made
    assert after != before
    assert fits("another", after)


@pytest.mark.parametrize("damaged", ["", "{PBKDF2}10000$a$", "{PBKDF2}ten$$"])
def test_a_damaged_hash_is_made_anew(tmp_path: Path, damaged: str) -> None:
    account(tmp_path, "writer")
    (tmp_path / "writer.hash").write_text(damaged)
    assert account(tmp_path, "writer")[1]
