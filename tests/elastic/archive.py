"""Elasticsearch's distribution as an operator would provide it: fetched once by its name, checked, kept in the cache.

python tests/elastic/archive.py      prints where it is; the checksum lies beside it
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "8.19.5"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
SHA512 = (
    "2f5f82f2b75c1a0e66784cdf1a05694c84c1bf6012529c649b8e59a5c88e2404"
    "578834f50770aa4882d6c51c67377f250f47dfc9a0c6f217a429fa8b222a0b0c"
)


def archive() -> Path:
    """The archive, with ARCHIVE.sha512 beside it; fetched by Maven, by its name, when it is not there."""
    cache = Path(os.environ.get("SEKISHO_CACHE") or "/var/cache/sekisho")
    found = cache / f"elasticsearch-{VERSION}.zip"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "elasticsearch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the lab's tests run beside the others
        if not found.is_file():
            fetch(found)
    return found


def fetch(found: Path) -> None:
    with tempfile.TemporaryDirectory(dir=found.parent) as room:
        argv = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={room}"]
        subprocess.run(argv, check=True, stdout=sys.stderr)
        fetched = Path(room) / found.name
        with fetched.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha512").hexdigest()
        if digest != SHA512:
            raise SystemExit(f"{ARTIFACT} has the checksum {digest}, not the one that was pinned")
        found.with_name(f"{found.name}.sha512").write_text(f"{digest}  {found.name}\n")
        fetched.rename(found)


if __name__ == "__main__":
    print(archive())
