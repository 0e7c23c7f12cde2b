"""A terminal with a kernel of its own: the lab's base with Debian's kernel, in QEMU's emulation.

The lab's machines are containers, and the kernel keeps its audit from them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from sekisho.lab import base, mirror
from sekisho.lab.packages import SUITE

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NAME = "pc-0001"
_PATIENCE = 600.0  # seconds to boot, on a machine that is busy with other things
_PACKAGES = "linux-image-cloud-amd64 initramfs-tools"
_INSTALL = f"""set -e
mount -t proc proc "$1/proc"
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \\
  DEBIAN_FRONTEND=noninteractive sh -ec '
  apt-get -qq update
  apt-get -qq -y --no-install-recommends install {_PACKAGES}
  apt-get clean
'"""
_NETWORK = "[Match]\nName=e*\n[Network]\nDHCP=yes\n"


class Machine:
    """One terminal, which can be reached over SSH alone and reaches nobody, as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key, self._known = folder / "key", folder / "known_hosts"
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self._port = one.getsockname()[1]
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._build()
            self._boot()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, what: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Switch it off."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def do(self, command: str, *, code: int | None = 0) -> bytes:
        """What a command says that is typed by `admin`; `code` is how it must end, None for any."""
        argv = ["ssh", *shlex.split(self._ssh()), "-p", str(self._port), "-i", str(self._key)]
        argv += ["admin@127.0.0.1", command]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PATIENCE)
        assert code is None or done.returncode == code, f"{command}: {done.returncode}\n{done.stderr.decode()}"
        return done.stdout

    def play(self, playbook: str, *words: str) -> str:
        """What a playbook said that ended well."""
        inventory = self.folder / "inventory.yml"
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self._port,
            "ansible_user": "admin",
            "ansible_become": True,
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_ssh_common_args": self._ssh(),
            "sekisho_hosts": {"collector": {"address": "127.0.0.1"}},
        }
        inventory.write_text(yaml.safe_dump({"terminals": {"hosts": {NAME: host}}}))
        argv = [BIN / "ansible-playbook", "-i", inventory, CHECKOUT / "playbooks" / playbook, *words]
        env = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "playbooks" / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
        return done.stdout

    def sent(self, to: Path) -> Path:
        """What its log agent sends to the collector, as one file: segments end within what belongs together."""
        to.write_bytes(self.do("sudo sh -c 'cat /var/spool/sekisho/*.ndjson'"))
        return to

    def _ssh(self) -> str:
        return f"-o UserKnownHostsFile={self._known} -o StrictHostKeyChecking=yes -o BatchMode=yes"

    def _build(self) -> None:
        root = self.folder / "root"
        subprocess.run(["cp", "-a", base.ensure(lambda _what, _part: None), root], check=True)
        self._install(root)
        etc, admin = root / "etc", root / "home" / "admin" / ".ssh"
        (etc / "hostname").write_text(f"{NAME}\n")
        (etc / "systemd" / "network" / "10.network").write_text(_NETWORK)
        host = etc / "ssh" / "ssh_host_ed25519_key"
        for key in (self._key, host):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
        self._known.write_text(f"[127.0.0.1]:{self._port} {host.with_suffix('.pub').read_text()}")
        admin.mkdir(mode=0o700)
        shutil.copy(self._key.with_suffix(".pub"), admin / "authorized_keys")
        subprocess.run(["chroot", root, "chown", "-R", "admin:admin", "/home/admin/.ssh"], check=True)
        device = etc / "sekisho" / "device"  # the log agent has to have a certificate, and nobody to show it to
        device.mkdir(parents=True, mode=0o700)
        subject = ["-subj", f"/CN={NAME.upper()}", "-days", "30"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", device / "device.key"]
        made = ["openssl", "req", "-x509", *key, *subject, "-out", device / "device.crt"]
        subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
        shutil.copy(device / "device.crt", device / "ca.crt")
        for name in ("vmlinuz", "initrd.img"):
            next((root / "boot").glob(f"{name}-*")).rename(self.folder / name)
        with (self.folder / "disk").open("wb") as disk:
            disk.truncate(3 * 1024**3)
        subprocess.run(["mkfs.ext4", "-q", "-d", root, self.folder / "disk"], check=True)
        shutil.rmtree(root)

    def _install(self, root: Path) -> None:
        source, apt = mirror.find(SUITE), root / "etc" / "apt"
        (apt / "sources.list").write_text("\n".join(source.sources) + "\n")
        (apt / "apt.conf.d" / "90transport").write_text(source.settings)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
        argv = base.isolated("bash", "-c", _INSTALL, "install", root)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        (apt / "sources.list").write_text("")
        (apt / "apt.conf.d" / "90transport").unlink()

    def _boot(self) -> None:
        argv: list[str | Path] = [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-M", "q35", "-m", "1024", "-smp", "2"),
            *("-accel", "tcg,thread=multi", "-kernel", self.folder / "vmlinuz", "-initrd", self.folder / "initrd.img"),
            *("-append", "root=/dev/vda rw console=ttyS0", "-nographic", "-no-reboot"),
            *("-drive", f"file={self.folder / 'disk'},format=raw,if=virtio,cache=unsafe"),
            *("-nic", f"user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
        ]
        with (self.folder / "console").open("wb") as console:
            self._running = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        end = time.monotonic() + _PATIENCE
        while self.do("echo there", code=None) != b"there\n":
            told = (self.folder / "console").read_text(errors="replace")[-2000:]
            assert self._running.poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(1)
