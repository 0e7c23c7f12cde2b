"""Which files of rules are meant by paths; there are thousands, so their names stay plain text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both

_SUFFIXES = (".yml", ".yaml")
RULE, GUIDE = "rule.yml", "guide.yml"  # a rule of ours has a guide for people beside it, which is no rule


def under(paths: Iterable[Path]) -> list[str]:
    """The files, each once: a folder stands for all YAML in it but guides, in the order of paths.

    Raises:
        Missing: a path is not there.
        BadInput: there is no file of rules in a folder.
    """
    found: dict[str, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted((one.removeprefix("./") for one in _inside(str(path))), key=lambda one: one.split("/"))
            if not inside:
                raise BadInput(
                    Both(f"{path} にルールがない", f"there are no rules in {path}"),
                    Both(".ymlのあるフォルダを指定する", "name a folder that has .yml files"),
                )
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[str(path)] = None
        else:
            raise Missing(Both(f"{path} がない", f"{path} is not there"), Both("パスを確認する", "check the path"))
    return list(found)


def _inside(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:  # whose kinds are known without a further look at each
        some = list(entries)
    is_ours = any(one.name == RULE for one in some)
    for one in some:
        if one.is_dir(follow_symlinks=False):
            yield from _inside(one.path)
        elif one.name.endswith(_SUFFIXES) and not (is_ours and one.name == GUIDE) and one.is_file():
            yield one.path
