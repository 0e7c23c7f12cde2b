"""The collector as a process of its own on loopback, with certificates of a CA of its own."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sekisho.identity.ca import Authority, Service, pem
from sekisho_collector import answer

PROGRAM = Path(__file__).parents[2] / "playbooks/roles/collector/files"
TERMINAL = "PC-0001"


def until(true: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


def certificate(authority: Authority, folder: Path, name: str, *, server: bool = False) -> Path:
    """A folder with server.key, server.crt and ca.crt, as the roles lay them out."""
    folder.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    service = Service() if server else None
    signed = authority.sign(request.public_bytes(serialization.Encoding.PEM), name, service=service)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key.private_bytes(*form))
    (folder / "server.crt").write_bytes(pem(signed))
    (folder / "ca.crt").write_bytes(authority.certificate_file.read_bytes())
    return folder


def client(folder: Path | None, ca: Path) -> ssl.SSLContext:
    """A terminal's TLS: it knows the collector by name."""
    made = ssl.create_default_context(cafile=str(ca))
    if folder is not None:
        made.load_cert_chain(folder / "server.crt", folder / "server.key")
    return made


class Collector:
    """One collector. `wrap` are words that run it in a mount namespace of its own; control's words join it there."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, folder: Path, *words: str, wrap: Sequence[str] = ()) -> None:
        self.folder, self.words, self.wrap = folder, words, wrap
        self.authority = Authority(folder / "state")
        self.certificates = certificate(self.authority, folder / "collector", "collector", server=True)
        self.terminal = certificate(self.authority, folder / TERMINAL, TERMINAL)
        self.spool, self.status = folder / "spool", folder / "durable"
        self.spool.mkdir(exist_ok=True)
        self.relp, self.lumberjack = _free_port(), _free_port()
        self.log = folder / "collector.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        return client(self.terminal, self.certificates / "ca.crt")

    def argv(self, do: str) -> list[str]:
        options = [f"--spool={self.spool}", f"--status={self.status}", *self.words]
        wrap = list(self.wrap)
        if do == "serve":
            options += [f"--certificates={self.certificates}", "--address=127.0.0.1"]
            options += [f"--relp={self.relp}", f"--lumberjack={self.lumberjack}"]
        elif wrap:
            assert self.process is not None
            wrap = ["nsenter", f"--target={self.process.pid}", "--mount"]
        return [*wrap, sys.executable, "-B", "-P", "-m", "sekisho_collector", do, *options]

    def start(self) -> Collector:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.argv("serve"), env=self.environment(), stdout=log, stderr=log)
        self.started.append(self.process)
        until(self._listens, 30, "the collector listens")
        return self

    def kill(self) -> None:
        """As a power cut would end it; only what the kernel has not written is still there."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def ask(self, command: str) -> subprocess.CompletedProcess[bytes]:
        """What control's key would be answered."""
        environment = self.environment() | {"SSH_ORIGINAL_COMMAND": command}
        return subprocess.run(self.argv("answer"), env=environment, capture_output=True, timeout=60)

    def segments(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(self.ask("list").stdout)["segments"]
        return listed

    def lines(self) -> list[dict[str, Any]]:
        """Every line that control may read, by control's own way."""
        found = []
        for segment in self.segments():
            done = self.ask(f"read {segment['name']} 0 {64 * 1024 * 1024}")
            assert done.returncode == 0, done.stderr
            assert done.stdout[-1:] in {b"", b"\n"}
            found += [json.loads(line) for line in done.stdout.splitlines()]
        return found

    def raw(self) -> list[bytes]:
        return [
            line["raw"].encode() if "raw" in line else base64.b64decode(line["raw64"], validate=True)
            for line in self.lines()
        ]

    def connect(self, port: int, tls: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        return (tls or self.tls).wrap_socket(plain, server_hostname="collector")

    def memory(self) -> int:
        """Resident bytes."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            for port in (self.relp, self.lumberjack):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
        return True

    def _end(self, sign: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(30)

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(PROGRAM), "PYTHONUNBUFFERED": "1"}


class Control:
    """Control's part: it reads on from where it was, and lets the collector forget what it has.

    The program of the forced command runs in this process: starting it for each word takes longer than all else.
    """

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.offsets: dict[str, int] = {}
        self.lines: list[dict[str, Any]] = []

    def fetch(self) -> None:
        for segment in json.loads(self._ask("list"))["segments"]:
            name = segment["name"]
            while (offset := self.offsets.get(name, 0)) < segment["size"]:
                said = self._ask(f"read {name} {offset} 1000000")
                assert said.endswith(b"\n")
                self.lines += [json.loads(line) for line in said.splitlines()]
                self.offsets[name] = offset + len(said)
            if not segment["open"]:
                self._ask(f"release {name}")

    def _ask(self, command: str) -> bytes:
        if self.collector.wrap:
            done = self.collector.ask(command)
            assert done.returncode == 0, done.stderr
            return done.stdout
        out = io.BytesIO()
        answer.answer(command, self.collector.spool, self.collector.status, out)
        return out.getvalue()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
