"""The rules of files: read by pySigma once, and from then on out of what was kept of them."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import sekisho
from sekisho.detection.rules import files, kept
from sekisho.detection.rules.rule import Ruleset
from sekisho.detection.scan.cache import Cache

_FOLDER = Path("cache") / "rules"
_NAME = "ruleset"


def read(paths: Sequence[Path], state: Path | None) -> tuple[Ruleset, Cache | None]:
    """The rules of files and folders, and where what is made of them is kept: below `state`, or nowhere if it is None.

    Raises:
        Missing: a path is not there.
        BadInput: a folder has no rules.
    """
    cache = None if state is None else Cache(state / _FOLDER, _key(files.under(paths)))
    if cache is not None and (data := cache.read(_NAME)) is not None:
        gc.disable()  # a hundred thousand small things that all stay
        try:
            return kept.read(data), cache
        except ValueError:
            pass  # damaged, or written by another version: it is read anew
        finally:
            gc.freeze()  # nor are they looked through for cycles at the end, which would take a third of all the time
            gc.enable()
    from sekisho.detection import load  # noqa: PLC0415 - pySigma is slow to load

    found = load.load(paths)
    if cache is not None:
        cache.write(_NAME, kept.written(found))
    return found, cache


def _key(paths: Sequence[str]) -> str:
    """What the rules say, where, and by which programs it would be read."""
    digest = sha256()
    for path in paths:
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of thousands; a Path for each takes as long again
                data = file.read()
        except OSError:
            data = b""
        digest.update(f"{path}\0{len(data)}\0".encode(errors="surrogateescape") + data)
    return f"{digest.hexdigest()} {kept.VERSION} {sekisho.__version__} {_made_by('sigma.rule')} {_made_by('re2')}"


def _made_by(module: str) -> str:
    """What tells one installation of a module from another: to ask for its version takes a tenth of all the time."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    told = Path(spec.origin).stat()
    return f"{spec.origin} {told.st_size} {told.st_mtime_ns}"
