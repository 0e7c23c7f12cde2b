"""The rules of files: read by pySigma once, and from then on out of what was kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sekisho.detection.rule import Ruleset


def read(paths: Sequence[Path], state: Path | None) -> Ruleset:
    """The rules of files and folders; `state` is where they are kept, None not to.

    Raises:
        Missing: a path is not there.
        BadInput: a folder has no rules.
    """
    from sekisho.detection import load  # noqa: PLC0415 - pySigma is slow to load

    return load.load(paths)
