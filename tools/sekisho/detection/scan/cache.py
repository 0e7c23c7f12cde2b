"""What took time to make, kept for the next run. A file that is damaged, or not ours, is as if it were not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from sekisho.core.errors import SekishoError
from sekisho.core.files import write_atomic

_SETS = 8  # sets of rules of which something is kept
_HASH = 32  # octets


class Cache:
    """Files about one set of rules: `key` says which, and by which versions they were made."""

    def __init__(self, folder: Path, key: str) -> None:
        self._base, self._key = folder, key
        self._folder = folder / sha256(key.encode()).hexdigest()[:32]

    def part(self, ids: Iterable[str]) -> Cache:
        """Files about those rules of the set that have these ids."""
        return Cache(self._base, "\n".join((self._key, *ids)))

    def read(self, name: str) -> bytes | None:
        """What was kept under this name, if it is whole."""
        try:
            with (self._folder / name).open("rb") as file:
                # What somebody else wrote may have been made to harm whoever reads it.
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    return None
                digest, data = file.read(_HASH), file.read()
        except OSError:
            return None
        return data if digest == sha256(data).digest() else None

    def write(self, name: str, data: bytes) -> None:
        """Keep this; where it cannot be written it is made again next time."""
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, mode=0o700)
                self._forget()
            write_atomic(self._folder / name, sha256(data).digest() + data, mode=0o600)
        except (OSError, SekishoError):
            return

    def _forget(self) -> None:
        """Remove what was kept about sets that were not asked for lately."""
        sets = sorted((one for one in self._base.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
        for one in sets[:-_SETS]:
            shutil.rmtree(one, ignore_errors=True)
