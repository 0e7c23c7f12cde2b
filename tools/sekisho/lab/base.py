"""The base that every lab machine stands on: one Debian tree, built once, kept in the cache, never written to."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sekisho.core.errors import BadInput, Missing
from sekisho.lab import mirror as mirrors
from sekisho.lab.packages import ENABLED, MASKED, PACKAGES, SUITE
from sekisho.lab.stream import follow

Report = Callable[[str, float], None]  # what is being done, and the part of it that is done (0 to 1)

_RECIPE = "5"  # counts up when this module builds something else from the same packages
_LEAN = """path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
force-unsafe-io
"""


def cache_folder() -> Path:
    """Where bases are kept: `SEKISHO_CACHE`, else /var/cache/sekisho."""
    return Path(os.environ.get("SEKISHO_CACHE") or "/var/cache/sekisho")


def digest() -> str:
    """Names what a base holds: the same suite, packages and recipe give the same digest (12 hex digits)."""
    said = json.dumps([_RECIPE, SUITE, PACKAGES, ENABLED, MASKED, _LEAN])
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def ensure(report: Report) -> Path:
    """The root folder of the base, built first if the cache has none.

    A base is built in a folder of its own and renamed when it is whole, so a crash leaves nothing that is half; a
    lock keeps two commands from building at the same time.

    Raises:
        Missing: debootstrap or the suite's mirror is not there.
        SekishoError: a package could not be fetched or installed.
    """
    cache = cache_folder()
    base = cache / f"base-{SUITE}-{digest()}"
    if not (base / "root").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache, report):
            if not (base / "root").is_dir():
                _discard_halves(cache)
                _build(cache, base, report)
    report("base", 1.0)
    return base / "root"


@contextmanager
def _locked(cache: Path, report: Report) -> Iterator[None]:
    handle = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another command builds the base; waiting for it", 0.0)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _discard_halves(cache: Path) -> None:
    for half in cache.glob(".building-*"):
        shutil.rmtree(half)


def _build(cache: Path, base: Path, report: Report) -> None:
    for program in ("debootstrap", "unshare", "setpriv"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not installed on this machine", "apt-get install debootstrap util-linux")
    if shutil.disk_usage(cache).free < 3 * 1024**3:
        raise BadInput(f"{cache} has less than 3 GiB of free space", "free some, or name another by SEKISHO_CACHE")
    source = mirrors.find(SUITE)
    building = cache / f".building-{os.getpid()}"
    root = building / "root"
    archives = cache / "archives"
    root.mkdir(parents=True)
    archives.mkdir(exist_ok=True)
    _bootstrap(root, archives, source, report)
    _prepare(root, source)
    _install(root, archives, report)
    _settle(root)
    (building / "base.json").write_text(json.dumps({"suite": SUITE, "digest": digest(), "packages": _versions(root)}))
    os.sync()
    building.rename(base)


def isolated(*argv: str | Path) -> list[str]:
    """Runs in mount and process namespaces of its own: what it mounts or starts ends with it, also if we are killed."""
    wrapper = (
        "setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc --propagation private --"
    )
    return [*wrapper.split(), *(str(word) for word in argv)]


def _bootstrap(root: Path, archives: Path, source: mirrors.Mirror, report: Report) -> None:
    env = dict(os.environ, DEBOOTSTRAP_DIR="/usr/share/debootstrap", LC_ALL="C.UTF-8")
    if source.proxy:
        env["http_proxy"] = source.proxy
    argv = isolated(
        "debootstrap", "--variant=minbase", f"--keyring={source.keyring}", f"--cache-dir={archives}",
        "--include=ca-certificates", SUITE, root, source.uri,
    )  # fmt: skip
    for count, line in enumerate(follow(argv, env=env, log=root.parent / "debootstrap.log")):
        report(line.removeprefix("I: "), min(0.35, 0.001 * count))


def _prepare(root: Path, source: mirrors.Mirror) -> None:
    (root / "etc/dpkg/dpkg.cfg.d/90lean").write_text(_LEAN)
    (root / "etc/apt/sources.list").write_text("\n".join(source.sources) + "\n")
    (root / "etc/apt/apt.conf.d/90transport").write_text(source.settings)
    for line in source.sources:
        keyring = line.split("signed-by=")[1].split("]")[0]
        if not (root / keyring[1:]).exists():
            (root / keyring[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(keyring, root / keyring[1:])
    for certificate in source.certificates:
        shutil.copy(certificate, root / "usr/local/share/ca-certificates" / certificate.name)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    refusal = root / "usr/sbin/policy-rc.d"
    refusal.write_text("#!/bin/sh\nexit 101\n")  # no daemon starts while packages are unpacked
    refusal.chmod(0o755)


_INSTALL = """set -e
mount --bind "$2" "$1/var/cache/apt/archives"
mount -t proc proc "$1/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
cd /
exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \\
  DEBIAN_FRONTEND=noninteractive sh -ec '
  update-ca-certificates
  apt-get update
  apt-get -y upgrade
  apt-get -y --no-install-recommends -o APT::Status-Fd=3 install "$@" 3>&1
' sh "${@:3}"
"""


def _install(root: Path, archives: Path, report: Report) -> None:
    argv = isolated("bash", "-c", _INSTALL, "install", root, archives, *PACKAGES)
    for line in follow(argv, log=root.parent / "apt.log"):
        kind, _, rest = line.partition(":")
        if kind in {"dlstatus", "pmstatus"} and rest.count(":") >= 2:
            package, percent, told = rest.split(":", 2)
            part = 0.35 if kind == "dlstatus" else 0.55
            report(told or package, part + float(percent) / 100 * (0.2 if kind == "dlstatus" else 0.4))


_SETTLE = f"useradd -m -s /bin/bash admin; usermod -p '*' admin; systemctl enable {' '.join(ENABLED)}; apt-get clean"


def _settle(root: Path) -> None:
    """Turn the tree into a blank machine: nothing enabled but sshd and networkd, no identity, no trace of the build."""
    etc = root / "etc"
    for link in etc.glob("systemd/system/*.wants/*"):
        if link.name not in ENABLED:
            link.unlink()
    for link in etc.glob("rc?.d/S*"):
        link.rename(link.with_name("K" + link.name[1:]))  # disabled; without any link `systemctl enable` would fail
    (etc / "systemd/system/syslog.service").unlink(missing_ok=True)
    argv = ["chroot", str(root), "sh", "-ec", _SETTLE]
    for _ in follow(isolated(*argv), log=root.parent / "settle.log"):
        pass
    for unit in MASKED:
        mask = etc / "systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    (etc / "sudoers.d/admin").write_text("admin ALL=(ALL) NOPASSWD: ALL\n")
    (etc / "sudoers.d/admin").chmod(0o440)
    (etc / "default/locale").write_text("LANG=C.UTF-8\n")
    (etc / "localtime").unlink(missing_ok=True)
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    (etc / "timezone").write_text("Asia/Tokyo\n")
    (etc / "machine-id").write_text("")
    (etc / "resolv.conf").write_text("")
    (etc / "hostname").unlink(missing_ok=True)
    (etc / "apt/sources.list").write_text("")  # a machine of the lab reaches no archive
    leftovers = [etc / "apt/apt.conf.d/90transport", root / "usr/sbin/policy-rc.d", *etc.glob("ssh/ssh_host_*")]
    leftovers += [*(root / "var/lib/dbus").glob("machine-id"), *(root / "var/log").rglob("*.log")]
    for path in leftovers:
        path.unlink(missing_ok=True)
    for folder in ("var/lib/apt/lists", "var/cache/apt", "var/cache/debconf"):
        for path in (root / folder).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _versions(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in (root / "var/lib/dpkg/status").read_text(errors="replace").splitlines():
        if line.startswith("Package: "):
            name = line[9:]
        elif line.startswith("Version: "):
            found[name] = line[9:]
    return found
