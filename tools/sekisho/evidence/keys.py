"""Ed25519 keys: the one that signs our records, and those of auditors. PEM files, as `openssl pkey` reads them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.core.state import State

_KEYGEN = Both("`sekisho auditor keygen` で作る", "make one with `sekisho auditor keygen`")
_NAME_IT = Both("鍵のファイルを指定する", "name the key's file")


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
        raise BadInput(
            Both(f"{where}: PEM形式の公開鍵ではない", f"{where}: no public key in PEM form"),
            Both("keygen が書いた .pub ファイルを指定する", "give the .pub file that keygen wrote"),
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput(Both(f"{where}: Ed25519の鍵ではない", f"{where}: not an Ed25519 key"), _KEYGEN)
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
        raise BadInput(
            Both(
                f"{path}: この秘密鍵をこの機械の他の利用者が読める",
                f"{path}: others on this machine can read this private key",
            ),
            Both(f"chmod 600 {path} を実行する", f"chmod 600 {path}"),
        )
    try:
        key = serialization.load_pem_private_key(raw, None)
    except (ValueError, TypeError) as error:
        raise BadInput(
            Both(
                f"{path}: 暗号化されていないPEM形式の秘密鍵ではない",
                f"{path}: no unencrypted private key in PEM form",
            ),
            Both("keygen が書いたファイルを指定する", "give the file that keygen wrote"),
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(Both(f"{path}: Ed25519の鍵ではない", f"{path}: not an Ed25519 key"), _KEYGEN)
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
            raise BadInput(
                Both(f"{file} は既にある", f"{file} is there already"),
                Both("鍵は上書きしない。別のファイルを指定する", "name another file; a key is never overwritten"),
            )
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
            raise Missing(
                Both(f"{path}: 記録に署名する鍵がない", f"{path}: the key that signs the records is not there"),
                Both("keys/ を控えから復元する", "restore keys/ from your backup"),
            )
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.with_name("signer.pub").unlink(missing_ok=True)  # left by a crash between the two files
        return generate(path)
    return read_private(path)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > 64 * 1024:
            raise BadInput(Both(f"{path}: 鍵にしては大きすぎる", f"{path}: too large for a key"), _NAME_IT)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Missing(Both(f"{path} がない", f"{path} is not there"), _NAME_IT) from error
    except OSError as error:
        why = both(os.strerror(error.errno or 0))
        raise SekishoError(
            Both(f"{path}: {why.ja}", f"{path}: {why.en}"), Both("ファイルの所有者を確認する", "check its owner")
        ) from error
