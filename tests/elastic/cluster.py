"""A real Elasticsearch on loopback, for tests and developers: fetched by name, TLS by a CA of its own, ends with us.

python tests/elastic/cluster.py      starts one node, prints where it is, and ends it on Ctrl-C (`make elasticsearch`)
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VERSION = "8.19.5"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
USER = "sekisho"
_UID = 61910  # nobody's: the server refuses to run as root
_PATIENCE = 600.0  # seconds for a start, on a machine that is busy with other things
_ROOT = os.geteuid() == 0
_CACHE = Path("/var/cache/sekisho") if _ROOT else Path.home() / ".cache" / "sekisho"


def distribution() -> Path:
    """The unpacked server; fetched by Maven, by its name, when it is not there."""
    home = _CACHE / f"elasticsearch-{VERSION}"
    if home.is_dir():
        return home
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as room:
        Path(room).chmod(0o755)
        fetch = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={room}"]
        subprocess.run(fetch, check=True, stdout=sys.stderr)
        with zipfile.ZipFile(Path(room) / f"elasticsearch-{VERSION}.zip") as archive:
            archive.extractall(room)
        for program in (Path(room) / home.name / "bin").iterdir():
            program.chmod(0o755)
        try:
            (Path(room) / home.name).rename(home)
        except OSError:
            if not home.is_dir():  # nobody else was faster
                raise
    return home


class Cluster:
    """Some nodes on loopback, as a context; `settings` go into each node's elasticsearch.yml.

    `brief` nodes start sooner, and are slower then; by default those that are not alone, for they are for failures.
    """

    def __init__(
        self, nodes: int = 1, settings: Mapping[str, object] | None = None, *, brief: bool | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sekisho-elasticsearch-"))
        self.folder.chmod(0o755)
        self.ca = self.folder / "ca.pem"
        self.password = secrets.token_urlsafe(18)
        self.password_file = self.folder / "password"
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(self.password + "\n")
        self._settings = dict(settings or {})
        self._brief = nodes > 1 if brief is None else brief
        self._ports = _free_ports(2 * nodes)
        self.names = [f"node-{number}" for number in range(1, nodes + 1)]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.urls = [f"https://127.0.0.1:{port}" for port in self._ports[:nodes]]

    def __enter__(self) -> Self:
        try:
            self._lay_out()
            for name in self.names:
                self.start(name)
            self.ready()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, what: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end()

    def start(self, name: str) -> None:
        """Start a node; see `ready`."""
        own = self.folder / name
        argv: list[str | Path] = ["setpriv", "--pdeathsig", "KILL"]  # the server ends with its launcher
        if _ROOT:
            argv += [f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"]
        argv += [distribution() / "bin" / "elasticsearch", "-p", own / "pid"]
        env = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(Path(shutil.which("java") or "/usr/bin/java").resolve().parents[1]),
            "ES_PATH_CONF": str(own / "config"),
            "ES_TMPDIR": str(own / "tmp"),
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m" + (" -XX:TieredStopAtLevel=1" if self._brief else ""),
            "CLI_JAVA_OPTS": "-Xmx64m",
            "HOME": str(own),
        }
        with (own / "out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                argv, env=env, cwd=own, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def kill(self, name: str) -> None:
        """End a node as a power cut would."""
        os.kill(self.process(name), signal.SIGKILL)
        self._running.pop(name).wait()

    def process(self, name: str) -> int:
        """The number of a node's process."""
        return int((self.folder / name / "pid").read_text())

    def ready(self) -> None:
        """Wait until all nodes are one cluster and have all their shards."""
        end = time.monotonic() + _PATIENCE
        wanted = f"/_cluster/health?wait_for_nodes={len(self.names)}&wait_for_status=green&timeout=5s"
        for url in self.urls:
            while not self._answers(url + wanted):
                for name, node in self._running.items():
                    if node.poll() is not None:
                        raise RuntimeError(f"{name} ended:\n{(self.folder / name / 'out').read_text()[-4000:]}")
                if time.monotonic() > end:
                    raise RuntimeError(f"no cluster within {_PATIENCE:.0f} s; see {self.folder}")
                time.sleep(0.5)

    def end(self) -> None:
        """End the nodes and remove what they had."""
        for node in self._running.values():
            node.kill()
        for name, node in self._running.items():
            node.wait()
            _await_end(self.folder / name / "pid")
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_password(self, password: str) -> None:
        """Make another password the user's; when this returns each node takes it, and no other."""
        for name in self.names:
            _own(self.folder / name / "config" / "users", f"{USER}:{_hashed(password)}\n")
        end = time.monotonic() + _PATIENCE
        for url in self.urls:
            while not self._answers(f"{url}/_cluster/health", password):  # they look every five seconds
                if time.monotonic() > end:
                    raise RuntimeError(f"{url} does not take the password within {_PATIENCE:.0f} s")
                time.sleep(0.5)

    def _answers(self, url: str, password: str = "") -> bool:
        token = base64.b64encode(f"{USER}:{password or self.password}".encode()).decode()
        asked = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})  # noqa: S310 - ours
        context = ssl.create_default_context(cafile=str(self.ca))
        try:
            with urllib.request.urlopen(asked, timeout=10, context=context) as answer:  # noqa: S310 - ours
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _lay_out(self) -> None:
        authority, key, certificate = _certificates()
        self.ca.write_bytes(authority)
        transport = self._ports[len(self.names) :]
        for name, port, inner in zip(self.names, self._ports, transport, strict=False):
            own = self.folder / name
            for part in ("config", "data", "logs", "tmp"):
                (own / part).mkdir(parents=True)
            source = distribution() / "config"
            for file in ("log4j2.properties", "role_mapping.yml", "roles.yml"):
                _own(own / "config" / file, (source / file).read_text())
            options = (source / "jvm.options").read_text().splitlines(keepends=True)
            kept = "".join(line for line in options if "-Xlog:" not in line)  # of each pause: much to write
            kept = kept.replace("logs/", f"{own}/logs/").replace("HeapDumpPath=data", f"HeapDumpPath={own}/data")
            _own(own / "config" / "jvm.options", kept)
            _own(own / "config" / "users", f"{USER}:{_hashed(self.password)}\n")
            _own(own / "config" / "users_roles", f"superuser:{USER}\n")
            for file, content in (("ca.pem", authority), ("node.key", key), ("node.pem", certificate)):
                _own(own / "config" / file, content.decode())
            settings: dict[str, object] = {
                "cluster.name": "sekisho-test",
                "node.name": name,
                "node.store.allow_mmap": "false",
                "path.data": own / "data",
                "path.logs": own / "logs",
                "network.host": "127.0.0.1",
                "http.port": port,
                "transport.port": inner,
                "discovery.seed_hosts": "[" + ", ".join(f'"127.0.0.1:{one}"' for one in transport) + "]",
                "cluster.initial_master_nodes": "[" + ", ".join(self.names) + "]",
                "cluster.routing.allocation.disk.threshold_enabled": "false",
                "resource.reload.interval.high": "1s",
                "resource.reload.interval.medium": "1s",
                "xpack.security.enabled": "true",
            }
            for layer in ("http", "transport"):
                settings |= {
                    f"xpack.security.{layer}.ssl.enabled": "true",
                    f"xpack.security.{layer}.ssl.key": "node.key",
                    f"xpack.security.{layer}.ssl.certificate": "node.pem",
                    f"xpack.security.{layer}.ssl.certificate_authorities": "ca.pem",
                }
            settings |= self._settings
            text = "".join(f"{key}: {value}\n" for key, value in settings.items())
            _own(own / "config" / "elasticsearch.yml", text)
            if _ROOT:
                for path in (own, *own.rglob("*")):
                    os.chown(path, _UID, _UID)


def _own(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    if _ROOT:
        os.chown(path, _UID, _UID)


def _hashed(password: str) -> str:
    """As a file of users has it."""
    salt = secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 32)
    return "{PBKDF2}1000$" + "$".join(base64.b64encode(part).decode() for part in (salt, digest))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _await_end(pid_file: Path) -> None:
    """Wait until the server, which hears that its launcher is gone, is gone too."""
    try:
        pid = int(pid_file.read_text())
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return


def _certificates() -> tuple[bytes, bytes, bytes]:
    """A CA's certificate, and key and certificate of every node, as PEM."""
    begin = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"sekisho test {what}")]) for what in ("CA", "node")]
    made = []
    for number, (key, name) in enumerate(zip(keys, names, strict=True)):
        builder = x509.CertificateBuilder(names[0], name, key.public_key(), x509.random_serial_number(), begin)
        builder = builder.not_valid_after(begin + timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
        if number:
            addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
            builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        else:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made[0], keys[1].private_bytes(*form), made[1]


def main() -> int:
    with Cluster() as cluster:
        print(
            f"URL       {cluster.urls[0]}\nuser      {USER}\n"
            f"password  {cluster.password_file}\nCA        {cluster.ca}\n\n"
            f"sekisho store init --elasticsearch {cluster.urls[0]} --ca-file {cluster.ca} --user {USER} "
            f"--password-file {cluster.password_file}\n\nCtrl-C ends it and removes its data.",
            flush=True,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
