"""How control reaches machines: one key, strict host keys, connections shared for a minute."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sekisho.core.errors import Missing
from sekisho.core.files import write_atomic
from sekisho.core.language import Both

USER = "admin"


def sockets(state: Path) -> Path:
    """Where shared connections are: a folder for each state, since two states may know one address by two machines.

    A control socket's path has at most about 100 characters, and a state folder may lie deep: so it is not in there.
    """
    return Path("/run") / f"sekisho-ssh-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]}"


def config(state: Path) -> Path:
    """An ssh configuration file for this state, made anew when it is missing.

    Nothing is asked on a terminal's first contact: a host key that is not in `ssh/known_hosts` is refused.
    """
    folder = (state / "ssh").resolve()
    sockets(state).mkdir(mode=0o700, exist_ok=True)
    path = folder / "config"
    text = "\n".join(
        [
            "Host *",
            f"  User {USER}",
            f"  IdentityFile {folder / 'id_ed25519'}",
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {folder / 'known_hosts'}",
            "  GlobalKnownHostsFile /dev/null",
            "  StrictHostKeyChecking yes",
            "  BatchMode yes",
            "  ConnectTimeout 5",
            "  ServerAliveInterval 5",
            "  ServerAliveCountMax 2",
            "  ControlMaster auto",
            f"  ControlPath {sockets(state)}/%C",
            "  ControlPersist 60",
            "",
        ]
    )
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomic(path, text, mode=0o600)
    return path


def forced(state: Path, key: Path, user: str, address: str, *, share: bool = False) -> list[str | Path]:
    """The argv that runs what `key` is allowed to run at `address`, and nothing else: its forced command.

    With `share` the connection stays open for the next call; a command that must not be run twice asks for its own.

    Raises:
        Missing: the key is not there.
    """
    if not key.exists():
        raise Missing(
            Both(f"{key} がない", f"{key} is not there"),
            Both("playbooks/site.yml が作る。この環境で先に実行する", "playbooks/site.yml makes it; run that first"),
        )
    own: list[str | Path] = [] if share else ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    return ["ssh", "-F", config(state), "-i", key, *own, "-T", "-l", user, address]
