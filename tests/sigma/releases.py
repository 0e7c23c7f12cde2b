"""Releases of rules as archives: SigmaHQ's own as it is published, and some that were made to harm."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from corpora import RULES

VERSION = "Release Date: {0}\nLabel: r{0}\nCommit-Hash: {1}\n"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def document(key: str, title: str = "t", **more: object) -> bytes:
    """A small rule."""
    detection = {"s": {"Image|endswith": "\\a.exe"}, "condition": "s"}
    logsource = {"product": "windows", "category": "process_creation"}
    said = {
        "title": title,
        "id": key,
        "level": "high",
        "status": "test",
        "logsource": logsource,
        "detection": detection,
    }
    return yaml.safe_dump({**said, **more}, sort_keys=False).encode()


def zipped(
    path: Path, files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], how: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A zip of these."""
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, data)
    return path


def taped(path: Path, files: Iterable[tuple[str, bytes] | tarfile.TarInfo]) -> Path:
    """A tar.gz of these; of an entry that is no file, only its header."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": COMMIT}) as archive:
        for one in files:
            if isinstance(one, tarfile.TarInfo):
                archive.addfile(one)
            else:
                about = tarfile.TarInfo(one[0])
                about.size = len(one[1])
                archive.addfile(about, io.BytesIO(one[1]))
    return path


def special(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    """An entry of a tar that is no file."""
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, target
    return about


def linked(path: Path, name: str, target: str = "/etc/passwd") -> Path:
    """A zip that has a rule, and a symbolic link."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rules/a.yml", document("a"))
        about = zipfile.ZipInfo(name)
        about.create_system, about.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(about, target)
    return path


def sigmahq() -> dict[str, bytes]:
    """The rules of the shared checkout, by their names in it."""
    return {path.relative_to(RULES).as_posix(): path.read_bytes() for path in sorted(RULES.rglob("*.yml"))}
