"""What belongs to the embedded store: one file, replaced in one step. What it does not name does not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sekisho.core.errors import BadInput
from sekisho.core.files import write_atomic
from sekisho.core.language import Both

VERSION = 1
_NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """One Parquet file: `first` and `last` are its events' times in microseconds (UTC), None where it has none."""

    file: str = Field(pattern=r"^[0-9a-z-]+/[0-9a-f]{32}\.parquet$")
    partition: str
    rows: int = Field(ge=1)
    first: int | None = None
    last: int | None = None
    arrived: str


class Manifest(_Strict):
    """Parts of events, parts of rejects, and how short files began, so that they are known when they have grown."""

    version: Literal[1] = 1
    parts: tuple[Part, ...] = ()
    rejects: tuple[Part, ...] = ()
    short_files: dict[int, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Events in the store."""
        return sum(part.rows for part in self.parts)


def read(folder: Path) -> Manifest:
    """The manifest of the store in `folder`; an empty one if nothing was ever written.

    Raises:
        BadInput: it is of a newer version, or damaged.
    """
    path = folder / _NAME
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Manifest()
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        newer = any(fault["loc"] == ("version",) for fault in error.errors())
        raise BadInput(
            Both(f"{path} は新しい版のsekishoのもの", f"{path} was written by a newer sekisho")
            if newer
            else Both(f"{path} が壊れている", f"{path} is damaged"),
            Both("その版を使う", "use that one") if newer else Both("控えから戻す", "restore it from the backup"),
        ) from error


def write(folder: Path, manifest: Manifest) -> None:
    """Make it the store's, durably and in one step.

    Raises:
        Missing: it cannot be written; then the one before still holds.
    """
    write_atomic(folder / _NAME, manifest.model_dump_json())
