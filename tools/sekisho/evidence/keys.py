"""Ed25519 keys: the one that signs our records, and those of auditors. PEM files, as `openssl pkey` reads them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.core.files import write_atomic
from sekisho.core.state import State


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's DER form, in hex: what `openssl pkey -pubin -outform DER | sha256sum` prints."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()


def public_pem(key: Ed25519PublicKey) -> str:
    """The public key as PEM text."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def parse_public(pem: str | bytes, where: str) -> Ed25519PublicKey:
    """The public key in `pem`; `where` names its source in the message.

    Raises:
        BadInput: it is no Ed25519 public key.
    """
    raw = pem.encode() if isinstance(pem, str) else pem
    try:
        key = serialization.load_pem_public_key(raw)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{where}: no public key in PEM form", "give the .pub file that keygen wrote") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput(f"{where}: not an Ed25519 key", "make one with `sekisho auditor keygen`")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """The public key in a file.

    Raises:
        Missing: there is no such file.
        BadInput: it is no Ed25519 public key.
    """
    return parse_public(_read(path), str(path))


def read_private(path: Path) -> Ed25519PrivateKey:
    """The private key in a file.

    Raises:
        Missing: there is no such file.
        BadInput: it is no Ed25519 private key, or others can read it.
    """
    raw = _read(path)
    if path.stat().st_mode & 0o077:
        raise BadInput(f"{path}: others on this machine can read this private key", f"chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(raw, None)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path}: no unencrypted private key in PEM form", "give the file that keygen wrote") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"{path}: not an Ed25519 key", "make one with `sekisho auditor keygen`")
    return key


def generate(path: Path) -> Ed25519PrivateKey:
    """Make a key pair: the private key in `path` (0600), the public one beside it with the suffix `.pub`.

    Raises:
        BadInput: one of the files is there already; a key is never overwritten.
        SekishoError: they cannot be written.
    """
    public = path.with_name(path.name + ".pub")
    for file in (path, public):
        if file.exists():
            raise BadInput(f"{file} is there already", "name another file; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    write_atomic(path, pem, mode=0o600)
    write_atomic(public, public_pem(key.public_key()))
    return key


def signer_of(state: State, *, create: bool = False) -> Ed25519PrivateKey:
    """The key that signs the records of `state`; `create` makes it when there is neither key nor record.

    Raises:
        Missing: there are records, or `create` is false, and there is no key.
        BadInput: the file is no key.
    """
    path = state.path("keys", "signer")
    if not path.exists():
        if not create or state.read("SELECT 1 FROM record LIMIT 1"):
            raise Missing(f"{path}: the key that signs the records is not there", "restore keys/ from your backup")
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.with_name("signer.pub").unlink(missing_ok=True)  # left by a crash between the two files
        return generate(path)
    return read_private(path)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > 64 * 1024:
            raise BadInput(f"{path}: too large for a key", "name the key's file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Missing(f"{path} is not there", "name the key's file") from error
    except OSError as error:
        raise SekishoError(f"{path}: {os.strerror(error.errno or 0)}", "check its owner") from error
