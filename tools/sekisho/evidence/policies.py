"""The policies in force, as one digest: what an auditor confirmed, and what must not have changed since."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from sekisho.core import folders
from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.core.phrases import both


def files() -> dict[str, bytes]:
    """The files of the effective `policies/` folder by relative path, in the order of their names.

    Raises:
        SekishoError: one cannot be read.
    """
    root = folders.data("policies")
    try:
        found = sorted(path for path in root.rglob("*") if path.is_file() and not _hidden(path.relative_to(root)))
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
    except OSError as error:
        why = both(str(error.strerror))
        raise SekishoError(
            Both(f"{root}: {why.ja}", f"{root}: {why.en}"),
            Both("方針のファイルの所有者を確認する", "check the owner of the policies"),
        ) from error


def digest(contents: dict[str, bytes] | None = None) -> str:
    """SHA-256, in hex, over a line `<sha256 of the file>  <path>` for each file: `sha256sum *.yml | sha256sum`."""
    found = files() if contents is None else contents
    lines = [f"{sha256(found[name]).hexdigest()}  {name}\n" for name in sorted(found)]
    return sha256("".join(lines).encode()).hexdigest()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part.endswith("~") for part in path.parts)
