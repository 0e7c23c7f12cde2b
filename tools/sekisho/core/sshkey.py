"""SSH key pairs that control makes for itself."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekisho.core.files import write_atomic


def ensure(path: Path, *, comment: str) -> None:
    """Make an Ed25519 key pair `path` (0600) and `path`.pub, unless it is there."""
    if path.exists():
        return
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    write_atomic(path.with_name(path.name + ".pub"), public + f" {comment}\n".encode())
    write_atomic(path, private, mode=0o600)
