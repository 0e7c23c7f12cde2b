"""Accounts of a service: the password stays on control, the service's machines get only a salted hash of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from sekisho.core.files import write_atomic

_ROUNDS = 10_000  # a password here has 256 random bits; more rounds would only slow the server down
_MARK = "{PBKDF2}"


def account(folder: Path, name: str, *, dry_run: bool = False) -> tuple[str, bool]:
    """The password hash of `name` as Elasticsearch's file realm reads it, and whether anything was made for it.

    The password is the file `folder`/NAME and is made at first use. Removed or replaced by hand, it is a new password
    at the next call. With `dry_run` nothing is made; the hash is empty where one would have to be.

    Raises:
        Missing: a file cannot be written.
    """
    secret, kept = folder / name, folder / f"{name}.hash"
    password = secret.read_text(encoding="ascii").strip() if secret.exists() else ""
    old = kept.read_text(encoding="ascii").strip() if kept.exists() else ""
    if password and _fits(password, old):
        return old, False
    if dry_run:
        return "", True
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not password:
        password = secrets.token_urlsafe(32)
        write_atomic(secret, f"{password}\n", mode=0o600)
    new = _hash(password, secrets.token_bytes(32))
    write_atomic(kept, f"{new}\n", mode=0o600)
    return new, True


def _hash(password: str, salt: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 32)
    return f"{_MARK}{_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _fits(password: str, hashed: str) -> bool:
    rounds, _, rest = hashed.removeprefix(_MARK).partition("$")
    try:
        salt = base64.b64decode(rest.partition("$")[0])
    except ValueError:
        return False
    return rounds == str(_ROUNDS) and hmac.compare_digest(_hash(password, salt), hashed)
