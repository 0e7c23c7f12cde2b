"""How short files began, by that length, so that they are known when they have grown: a file of the state folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sekisho.core.errors import BadInput
from sekisho.core.files import write_atomic
from sekisho.core.language import Both

_NAME = "short-files.json"


class _ShortFiles(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    digests: dict[int, tuple[str, ...]] = {}


def read(folder: Path) -> dict[int, set[str]]:
    """What is remembered in the state folder.

    Raises:
        BadInput: it is damaged.
    """
    return {length: set(some) for length, some in _read(folder).digests.items()}


def keep(folder: Path, some: Mapping[int, Iterable[str]]) -> None:
    """Remember these in the state folder.

    Raises:
        BadInput: what is there is damaged.
        Missing: it cannot be written.
    """
    wanted = _ShortFiles(digests={length: tuple(sorted(digests)) for length, digests in some.items()})
    if wanted != _read(folder):
        write_atomic(folder / _NAME, wanted.model_dump_json())


def _read(folder: Path) -> _ShortFiles:
    path = folder / _NAME
    try:
        return _ShortFiles.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return _ShortFiles()
    except ValidationError as error:
        raise BadInput(
            Both(f"{path} が壊れている", f"{path} is damaged"), Both("控えから戻す", "restore it from the backup")
        ) from error
