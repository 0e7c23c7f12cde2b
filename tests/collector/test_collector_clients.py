"""The clients of real terminals: Debian's rsyslog with omrelp, and Elastic's own Lumberjack client."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from running import Collector, Control, certificate, until
from sekisho.identity.ca import Authority
from sekisho.lab import base

CLIENT = Path(__file__).parent / "lumberjack_client"
CHANCE = random.Random()


class Cable:
    """What lies between a client and the collector's door: it can be cut, with or without a word."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.silent = threading.Event()
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """Every connection ends with RST on both sides."""
        for pair in self.pairs:
            for sock in pair:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RDWR)
                    sock.close()
                except OSError:
                    pass
        self.pairs = []

    def _accept(self) -> None:
        while True:
            here, _ = self.door.accept()
            try:
                there = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                here.close()
                continue
            self.pairs.append((here, there))
            for pair in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                if self.silent.is_set():
                    return  # neither carried on nor closed
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture(scope="module")
def elastic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Elastic's client library in a program of ours, built from the Go proxy."""
    built = tmp_path_factory.mktemp("go") / "lumberjack_client"
    go = next((path for path in ("/usr/local/go/bin/go", "/usr/bin/go") if Path(path).exists()), "go")
    done = subprocess.run([go, "build", "-o", built, "."], cwd=CLIENT, capture_output=True, text=True)
    assert done.returncode == 0, f"it needs Go (apt-get install golang-go) and its proxy: {done.stderr}"
    return built


def elastic_argv(program: Path, collector: Collector, port: int, *words: int) -> list[str]:
    return [str(program), f"127.0.0.1:{port}", str(collector.terminal), *map(str, words)]


def serials(collector: Collector) -> list[int]:
    control = Control(collector)
    control.fetch()
    return [int(found[1]) for line in control.lines if (found := re.search(r'"serial":(\d+)', line["raw"]))]


@pytest.mark.parametrize("level", [0, 3])
def test_elastic_s_client_is_acknowledged(collector: Collector, elastic: Path, level: int) -> None:
    argv = elastic_argv(elastic, collector, collector.lumberjack, level, 2048, 1, 10_000)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [int(line) for line in done.stdout.split()] == list(range(1, 10_001))
    assert serials(collector) == list(range(1, 10_001))


@pytest.mark.parametrize("level", [0, 3])
def test_elastic_s_client_through_cuts_and_kills(tmp_path: Path, elastic: Path, level: int) -> None:
    collector = Collector(tmp_path).start()
    cable = Cable(collector.lumberjack)
    last = 30_000
    argv = elastic_argv(elastic, collector, cable.port, level, 100, 1, last)
    log = tmp_path / "client.log"
    with log.open("wb") as stderr, subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr) as client:
        told: list[int] = []
        assert client.stdout is not None
        out = client.stdout
        listening = threading.Thread(target=lambda: told.extend(int(line) for line in out), daemon=True)
        listening.start()
        for number in range(6):
            reached = len(told)
            until(lambda reached=reached: len(told) > reached + 300 or client.poll() is not None, 60, "it goes on")
            time.sleep(CHANCE.uniform(0, 0.05))
            if number % 2:
                collector.kill()
                collector.start()
            else:
                cable.reset()
        cable.silent.set()  # now it is cut without a word; the client notices after its own 20 s
        time.sleep(1)
        before = set(told)
        cable.silent.clear()
        assert client.wait(300) == 0
        listening.join(30)
    stored = serials(collector)
    assert sorted(told) == list(range(1, last + 1)), "each is acknowledged once"
    assert set(told) <= set(stored)
    assert len(before) < last, "the cut came after everything"
    assert log.read_text().count("\n") >= 4, "it was never cut"
    collector.stop()


RSYSLOG = r"""
module(load="imfile" mode="inotify")
module(load="omrelp" tls.tlslib="openssl")
global(workDirectory="/srv/log/queue" maxMessageSize="64k")
template(name="wire" type="string"
  string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% sekisho - - [x@32473 o=\"%$!metadata!fileoffset%\"] %msg%")
# The queue is the ruleset's: with the same queue at the action, omrelp lost two or three lines in eight kills.
ruleset(name="out" queue.type="Disk" queue.filename="out" queue.saveOnShutdown="on" queue.dequeueBatchSize="128") {
  action(type="omrelp" target="127.0.0.1" port="PORT" template="wire" timeout="20"
    tls="on" tls.caCert="/srv/log/pc/ca.crt" tls.myCert="/srv/log/pc/server.crt" tls.myPrivKey="/srv/log/pc/server.key"
    tls.authMode="name" tls.permittedPeer=["collector"]
    action.resumeRetryCount="-1" action.resumeInterval="1")
}
input(type="imfile" file="/srv/log/lines.log" tag="sekisho" addMetadata="on" ruleset="out")
"""

# The lab's base is never written to: rsyslog sees it below a layer of its own, which ends with it.
INSIDE = """set -e
mount -t tmpfs none "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mkdir "$2/root/srv/log"
mount --bind "$3" "$2/root/srv/log"
mount --bind /dev "$2/root/dev"
exec chroot "$2/root" /usr/sbin/rsyslogd -n -i NONE -f /srv/log/rsyslog.conf
"""


def rsyslog(collector: Collector, folder: Path) -> subprocess.Popen[bytes]:
    """Debian's own rsyslog, out of the lab's base, in the network of this machine; `folder` is its /srv/log."""
    if os.geteuid() != 0:
        pytest.fail("Debian's rsyslog is run out of the lab's base, which needs root")
    root, layer = base.ensure(lambda _what, _part: None), collector.folder / "layer"
    layer.mkdir(exist_ok=True)
    (folder / "queue").mkdir(parents=True, exist_ok=True)
    (folder / "rsyslog.conf").write_text(RSYSLOG.replace("PORT", str(collector.relp)))
    shutil.copytree(collector.terminal, folder / "pc", dirs_exist_ok=True)
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh", root, layer, folder]
    with (collector.folder / "rsyslog.log").open("ab") as log:
        return subprocess.Popen(words, stdout=log, stderr=log)


def test_debian_s_rsyslog_loses_nothing_when_the_collector_is_killed(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    folder, last = tmp_path / "work", 0
    folder.mkdir()
    shipper = rsyslog(collector, folder)
    heard: set[int] = set()
    control = Control(collector)

    def arrived() -> set[int]:
        control.fetch()
        found = (re.search(r"serial=(\d+) ", line["raw"]) for line in control.lines)
        heard.update(int(one[1]) for one in found if one)
        control.lines.clear()
        return heard

    try:
        for number in range(8):
            with (folder / "lines.log").open("a") as stream:
                stream.writelines(f"serial={last + n} {'.' * 500} 端末\n" for n in range(1, 2001))
            last += 2000
            if number == 0:
                until(lambda: len(arrived()) > 100, 60, "rsyslog sends")
            time.sleep(CHANCE.uniform(0, 0.5))
            collector.kill()
            time.sleep(CHANCE.uniform(0, 0.5))
            collector.start()
        until(lambda: len(arrived()) == last, 120, "everything arrives")
    finally:
        shipper.terminate()
        shipper.wait(60)
    assert heard == set(range(1, last + 1))
    collector.stop()
    assert "Traceback" not in collector.log.read_text()


def test_rsyslog_knows_the_collector_by_its_certificate(tmp_path: Path) -> None:
    """The other direction: a collector of another CA gets nothing."""
    collector = Collector(tmp_path)
    shutil.rmtree(collector.certificates)
    other = Authority(tmp_path / "other")
    certificate(other, collector.certificates, "collector", server=True)
    (collector.certificates / "ca.crt").write_bytes(collector.authority.certificate_file.read_bytes())
    collector.start()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "lines.log").write_text("serial=1 x\n")
    shipper = rsyslog(collector, folder)
    try:
        until(lambda: "127.0.0.1: " in collector.log.read_text(), 60, "rsyslog was there")
        time.sleep(2)
        assert collector.lines() == []
    finally:
        shipper.terminate()
        shipper.wait(60)
        collector.stop()
