"""Keys that the lab hands out: control's ssh key, the machines' host keys, the secret between switch and RADIUS."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekisho.core.files import write_atomic


@dataclass(frozen=True)
class SshKey:
    """An Ed25519 key pair in OpenSSH's formats."""

    private: bytes
    public: str


def new_key(comment: str) -> SshKey:
    """A fresh key pair."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return SshKey(private, f"{public.decode()} {comment}")


def control_key(state: Path) -> str:
    """Control's public key; made in `<state>/ssh/` if it is not there yet."""
    private, public = state / "ssh/id_ed25519", state / "ssh/id_ed25519.pub"
    _folder(private.parent)
    if not (private.is_file() and public.is_file()):
        key = new_key("sekisho-control")
        write_atomic(private, key.private, mode=0o600)
        write_atomic(public, key.public + "\n")
    return public.read_text().strip()


def radius_secret(state: Path) -> str:
    """What switch and RADIUS share; made in `<state>/secrets/radius_secret` if it is not there yet."""
    file = state / "secrets/radius_secret"
    _folder(file.parent)
    if not file.is_file():
        write_atomic(file, secrets.token_hex(24) + "\n", mode=0o600)
    return file.read_text().strip()


def write_known_hosts(state: Path, hosts: Mapping[str, tuple[str, Iterable[str]]]) -> None:
    """Write `<state>/ssh/known_hosts`: for each machine its public host key and every address that it can have."""
    lines = [
        f"{','.join([name, *addresses])} {' '.join(key.split()[:2])}\n" for name, (key, addresses) in hosts.items()
    ]
    write_atomic(state / "ssh/known_hosts", "".join(lines))


def _folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)  # noqa: PTH101 - also when it was there already
