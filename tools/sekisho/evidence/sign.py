"""The key that signs our own records: Ed25519, made at first use, readable by its owner only."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from sekisho.core.errors import BadInput, Missing
from sekisho.core.files import write_atomic


def fingerprint(public: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key, 64 hexadecimal digits: how a key is named in records and reports."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return sha256(raw).hexdigest()


def public_pem(public: Ed25519PublicKey) -> str:
    """The public key as it is handed out."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def load_public(path: Path) -> Ed25519PublicKey:
    """A public key from a PEM file.

    Raises:
        Missing: the file is not there.
        BadInput: it holds no Ed25519 public key.
    """
    return parse_public(_read(path), str(path))


def parse_public(pem: bytes, where: str) -> Ed25519PublicKey:
    """A public key from PEM bytes; `where` is told when it is none.

    Raises:
        BadInput: this is no Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise BadInput(f"{where}: no public key in PEM form", "ask for the .pub file again") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput(f"{where}: not an Ed25519 key", "make one with `sekisho auditor keygen`")
    return key


def make(path: Path) -> Ed25519PrivateKey:
    """Make a key pair: `path` (0600) and `path`.pub. The private half is written before the public one.

    Raises:
        BadInput: `path` is there already; a key is never overwritten.
    """
    if path.exists():
        raise BadInput(f"{path} is there already", "a key is never overwritten: choose another name")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomic(path, private, mode=0o600)
    write_atomic(path.with_name(path.name + ".pub"), public_pem(key.public_key()))
    return key


def load(path: Path) -> Ed25519PrivateKey:
    """A private key from a PEM file.

    Raises:
        Missing: the file is not there.
        BadInput: it holds no Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path}: no private key in PEM form", "name the file without .pub") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"{path}: not an Ed25519 key", "make one with `sekisho auditor keygen`")
    return key


def signer(key: Ed25519PrivateKey) -> CryptoSigner:
    """The key as securesystemslib uses it, its key id being our fingerprint."""
    public = key.public_key()
    return CryptoSigner(key, SSlibKey.from_crypto(public, keyid=fingerprint(public)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Missing(f"{path}: {error.strerror}", "name the key's file") from error
