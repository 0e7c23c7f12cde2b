"""One machine: systemd-nspawn on an overlay over the base, in a network namespace and a control group of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sekisho.core.errors import SekishoError
from sekisho.lab import cgroup, netns

# The overlay is mounted in a mount namespace that only nspawn has: it shows nowhere and goes when the machine goes.
# It waits for a line first: until then it is not in its control group, and if we die before, it ends by itself.
# $1 overlay options, $2 root folder, then nspawn's words.
_START = """
read -r go
mount -t overlay overlay -o "$1" "$2"
shift 2
exec systemd-nspawn "$@" < /dev/null
"""
_CAPABILITIES = "CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN,CAP_SYS_NICE"


@dataclass(frozen=True)
class Machine:
    """A machine of a lab. `folder` holds its overlay; `base` is the tree below it."""

    lab: str
    name: str
    folder: Path
    base: Path
    binds: tuple[str, ...] = field(default=())

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return netns.name(self.lab, self.name)

    @property
    def upper(self) -> Path:
        """What differs from the base: files put here before the first boot are the machine's own."""
        return self.folder / "upper"

    def blank(self) -> None:
        """Make the overlay empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        self.put("etc/hostname", f"{self.name}\n")
        self.put("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost ip6-localhost\n")
        self.put("etc/machine-id", f"{uuid.uuid5(uuid.NAMESPACE_OID, f'{self.lab}/{self.name}').hex}\n", mode=0o444)

    def put(self, path: str, content: str | bytes, *, mode: int = 0o644, owner: int = 0) -> None:
        """Put a file into a machine that is not running."""
        target = self.upper / path
        for parent in reversed(target.relative_to(self.upper).parents):
            folder = self.upper / parent
            if not folder.is_dir():
                folder.mkdir()
                below = self.base / parent
                if below.is_dir():  # a new folder in the upper layer hides the owner and mode of the base's
                    shutil.copystat(below, folder)
                    os.chown(folder, below.stat().st_uid, below.stat().st_gid)
                else:
                    os.chown(folder, owner, owner)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        os.chown(target, owner, owner)

    def boot(self) -> None:
        """Start it; `answers` tells when it can be reached."""
        groups = cgroup.make(self.lab, self.name)
        options = f"lowerdir={self.base},upperdir={self.upper},workdir={self.folder / 'work'}"
        root = self.folder / "root"
        words = [
            "--quiet", "--boot", "--keep-unit", "--register=no", "--settings=no", "--link-journal=no",
            "--resolv-conf=off", "--timezone=off", "--console=read-only", f"--directory={root}",
            f"--machine={netns.name(self.lab, self.name)}", f"--hostname={self.name}",
            f"--network-namespace-path={netns.path(self.namespace)}", f"--capability={_CAPABILITIES}",
            *(f"--bind={path}" for path in self.binds),
        ]  # fmt: skip
        # /proc/sys/net must be writable for routers; the lock would be a file beside the root folder.
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
            "SYSTEMD_NSPAWN_LOCK": "0",
        }
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _START, "boot"]
        argv += [options, str(root), *words]
        with (self.folder / "console.log").open("ab") as log:
            started = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=env, cwd="/"
            )
        for group in groups:
            (group / "cgroup.procs").write_text(str(started.pid))
        assert started.stdin is not None  # noqa: S101 - asked for by PIPE
        with started.stdin as line:
            line.write(b"go\n")

    def kill(self) -> None:
        """Switch it off as if by its plug: no process of it is left."""
        cgroup.kill(self.lab, self.name)
        cgroup.remove(self.lab, self.name)

    def leader(self) -> int | None:
        """Its PID 1 as the host numbers it, or None when it is off."""
        for pid in sorted(cgroup.pids(self.lab, self.name)):
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                numbers = next(line for line in lines if line.startswith("NSpid:")).split()
                if len(numbers) > 2 and numbers[-1] == "1":
                    return pid
        return None

    def running(self) -> bool:
        """Whether any process of it is there."""
        return bool(cgroup.pids(self.lab, self.name))

    def answers(self) -> bool:
        """Whether its sshd sends its banner, asked from inside its network namespace."""

        def ask() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", 22), timeout=2.0) as connection:
                    return connection.recv(4) == b"SSH-"
            except OSError:
                return False

        return netns.inside(self.namespace, ask)

    def wait(self, timeout: float) -> None:
        """Until its sshd answers; at most `timeout` seconds.

        Raises:
            SekishoError: it ended, or did not answer in time; the end of its console is in the message.
        """
        until = time.monotonic() + timeout
        while not self.answers():
            ended = not self.running()
            if ended or time.monotonic() > until:
                console = (self.folder / "console.log").read_text(errors="replace").strip()[-600:]
                how = "ended while it booted" if ended else f"did not answer within {timeout:.0f} s"
                raise SekishoError(f"machine {self.name} {how}:\n{console}", f"see {self.folder}/console.log")
            time.sleep(0.1)

    def command(self, words: list[str]) -> list[str]:
        """The argv that runs `words` inside, as root.

        Raises:
            SekishoError: it is off.
        """
        leader = self.leader()
        if leader is None:
            raise SekishoError(f"machine {self.name} is off", f"sekisho lab power {self.name} on")
        clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        clean += ["LANG=C.UTF-8", f"TERM={os.environ.get('TERM', 'dumb')}"]
        flags = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        return ["nsenter", "--target", str(leader), *flags, "--", *clean, *words]
