"""What belongs to the embedded store: one file, replaced in one step. What it does not name does not exist."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sekisho.core.errors import BadInput
from sekisho.core.files import write_atomic
from sekisho.core.language import Both

VERSION: Final = 3  # 1 had parts without the columns of what the collector tells; 2 did not number its batches
_NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """One Parquet file: `first` and `last` are its events' times in microseconds (UTC), None where it has none.

    `batch` is the number of the last batch that something in it came with; 0 if batches had no numbers yet.
    """

    file: str = Field(pattern=r"^[0-9a-z-]+/[0-9a-f]{32}\.parquet$")
    partition: str
    rows: int = Field(ge=1)
    first: int | None = None
    last: int | None = None
    arrived: str
    batch: int = Field(default=0, ge=0)


class Manifest(_Strict):
    """Parts of events, parts of rejects, and how short files began, so that they are known when they have grown.

    `batch` is the number of the last batch that was taken, also when its parts are gone.
    """

    version: Literal[2, 3] = VERSION
    batch: int = Field(default=0, ge=0)
    parts: tuple[Part, ...] = ()
    rejects: tuple[Part, ...] = ()
    short_files: dict[int, tuple[str, ...]] = Field(default_factory=dict)

    def next_batch(self) -> int:
        """A number for the next batch: more than any before.

        It is never less than the present in microseconds, so that a store that was restored from a backup, or made
        anew, does not give a number again that somebody has seen.
        """
        return max(self.batch + 1, time.time_ns() // 1000)

    @property
    def rows(self) -> int:
        """Events in the store."""
        return sum(part.rows for part in self.parts)


def read(folder: Path) -> Manifest:
    """The manifest of the store in `folder`; an empty one if nothing was ever written.

    Raises:
        BadInput: it is of another version, or damaged.
    """
    path = folder / _NAME
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Manifest()
    try:
        return Manifest.model_validate_json(raw).model_copy(update={"version": VERSION})
    except ValidationError as error:
        version = next((fault["input"] for fault in error.errors() if fault["loc"] == ("version",)), None)
        raise _unreadable(path, version) from error


def _unreadable(path: Path, version: object) -> BadInput:
    if not isinstance(version, int):
        return BadInput(
            Both(f"{path} が壊れている", f"{path} is damaged"), Both("控えから戻す", "restore it from the backup")
        )
    if version > VERSION:
        return BadInput(
            Both(f"{path} は新しい版のsekishoのもの", f"{path} was written by a newer sekisho"),
            Both("その版を使う", "use that one"),
        )
    return BadInput(
        Both(f"{path} は古い版のsekishoのもの", f"{path} was written by an older sekisho"),
        Both(
            f"{path.parent} を別名にして、ファイルを取り込み直す",
            f"give {path.parent} another name, and ingest the files again",
        ),
    )


def write(folder: Path, manifest: Manifest) -> None:
    """Make it the store's, durably and in one step.

    Raises:
        Missing: it cannot be written; then the one before still holds.
    """
    write_atomic(folder / _NAME, manifest.model_dump_json())
