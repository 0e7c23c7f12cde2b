"""Which release of rules a state folder has: one small file says so, replaced in one step.

Each release lies in a folder that is called by its archive's SHA-256. What the file does not name is as if it were not
there. The release before is kept, for what was started with it and for whoever has to go back.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from sekisho.core.errors import Missing
from sekisho.core.files import alone, unwritten, write_atomic
from sekisho.core.language import Both
from sekisho.core.yamlfile import Strict, load

_FOLDER = "rules"
_NAME = "release.json"


class Release(Strict):
    """A release that was taken in.

    `sha256` is the archive's, in hex. `version` is what the release calls itself, None if it does not say; `commit` is
    that of its source. `files` counts its files of rules.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    archive: str
    version: str | None
    commit: str | None
    files: int
    imported: AwareDatetime


class Held(Strict):
    """The whole file."""

    version: Literal[1] = 1
    current: Release
    previous: Release | None = None


def of(state: Path) -> Held | None:
    """What a state folder has; None if nothing was ever taken in.

    Raises:
        BadInput: the file is damaged, or of another version.
    """
    path = state / _FOLDER / _NAME
    return load(path, Held) if path.exists() else None


def rules(state: Path) -> Path | None:
    """The folder of the rules in use; None if nothing was ever taken in.

    Raises:
        BadInput: as above.
        Missing: it is gone.
    """
    held = of(state)
    if held is None:
        return None
    place = _place(state, held.current)
    if not place.is_dir():
        raise Missing(
            Both(f"取り込んだルールのフォルダ {place} がない", f"the folder of imported rules, {place}, is gone"),
            Both(
                f"{held.current.archive} をもう一度 `sekisho rules import` で取り込む",
                f"import {held.current.archive} again by `sekisho rules import`",
            ),
        )
    return place


@contextmanager
def unpacking(state: Path) -> Iterator[Path]:
    """An empty folder to unpack a release into; what is left of it in the end is removed.

    Raises:
        BadInput: another import is running.
        Missing: the folder cannot be written.
    """
    base = state / _FOLDER
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritten(base, error) from error
    with alone(base / "lock", Both("別の取込みが動いている", "another import is running")):
        _forget(state)  # what an import left behind that was killed
        place = Path(tempfile.mkdtemp(dir=base, prefix="."))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def use(state: Path, unpacked: Path, release: Release) -> None:
    """Make the rules that were unpacked the ones in use; the ones before are kept, and those before them go.

    Raises:
        Missing: the folder cannot be written; then nothing has changed.
    """
    before = of(state)
    place = _place(state, release)
    try:
        os.sync()  # the file that names them must not outlive them
        if place.exists():  # the release before the one in use, or the one in use, that somebody has changed
            place.rename(unpacked.with_name(f"{unpacked.name}.old"))
        unpacked.rename(place)
    except OSError as error:
        raise unwritten(place, error) from error
    previous = before and (before.current if before.current.sha256 != release.sha256 else before.previous)
    write_atomic(state / _FOLDER / _NAME, Held(current=release, previous=previous).model_dump_json(indent=1))
    _forget(state)


def _place(state: Path, release: Release) -> Path:
    return state / _FOLDER / release.sha256


def _forget(state: Path) -> None:
    held = of(state)
    named = {one.sha256 for one in (held.current, held.previous) if one} if held else set()
    for path in (state / _FOLDER).iterdir():
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)
