"""What rules a folder has, by their ids, and in what two such folders differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sekisho.core.language import Both
from sekisho.detection.rules import documents, files
from sekisho.detection.rules.refusal import CannotUse


class Entry(NamedTuple):
    """A rule: its file below the folder, and a digest of what each of its keys says."""

    title: str
    level: str | None
    status: str | None
    path: str
    keys: Mapping[str, bytes]


class Difference(NamedTuple):
    """A rule as it was and as it is, None where it is not; `keys` are those that say something else now."""

    id: str
    was: Entry | None
    now: Entry | None
    keys: tuple[str, ...]


class Changes(NamedTuple):
    """What is new in a release, what says something else, and what is gone; each in the order of the titles."""

    added: tuple[Difference, ...]
    changed: tuple[Difference, ...]
    removed: tuple[Difference, ...]


def read(folder: Path) -> tuple[dict[str, Entry], list[Both]]:
    """The rules in a folder, and what is not right with any: no YAML, no title or id, or an id that another has.

    Raises:
        Missing: the folder is not there.
        BadInput: there is no file of rules in it.
    """
    found: dict[str, Entry] = {}
    faults: list[Both] = []
    for path in map(Path, files.under([folder])):
        name = path.relative_to(folder).as_posix()
        try:
            for key, entry in _entries(path, name):
                if (same := found.setdefault(key, entry)) is not entry:
                    faults.append(Both(f"{name}: idが {same.path} と同じ", f"{name}: it has the id of {same.path}"))
        except CannotUse as error:
            faults.append(Both(f"{name}: {error.reason.ja}", f"{name}: {error.reason.en}"))
    return found, faults


def changes(was: Mapping[str, Entry], now: Mapping[str, Entry]) -> Changes:
    """In what two releases differ."""
    both = [Difference(key, was[key], now[key], _differing(was[key], now[key])) for key in now.keys() & was.keys()]
    return Changes(
        _sorted([Difference(key, None, now[key], ()) for key in now.keys() - was.keys()]),
        _sorted([one for one in both if one.keys]),
        _sorted([Difference(key, was[key], None, ()) for key in was.keys() - now.keys()]),
    )


def _entries(path: Path, name: str) -> Iterator[tuple[str, Entry]]:
    for document in documents.read(path):
        key, title = document.get("id"), document.get("title")
        if not isinstance(key, str) or not key or not isinstance(title, str):
            raise CannotUse("idかtitleがない", "it has no id, or no title")
        if "filter" in document:
            raise CannotUse(
                "filterは他のルールを黙らせるので取り込まない。必要なら自分のルールに置く",
                "filters are not taken: they silence other rules; put those that you want among your own",
            )
        if "detection" not in document and "correlation" not in document:
            raise CannotUse("detectionがない", "there is no detection")
        keys = {str(one): _digest(value) for one, value in document.items()}
        yield key, Entry(title, _text(document.get("level")), _text(document.get("status")), name, keys)


def _digest(value: Any) -> bytes:  # noqa: ANN401 - what YAML holds
    plain = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS)
    return sha256(plain).digest()[:16]


def _differing(was: Entry, now: Entry) -> tuple[str, ...]:
    names = [*now.keys, *(one for one in was.keys if one not in now.keys)]
    return tuple(one for one in names if was.keys.get(one) != now.keys.get(one))


def _sorted(some: list[Difference]) -> tuple[Difference, ...]:
    return tuple(sorted(some, key=lambda one: ((one.now or one.was or _NOBODY).title.casefold(), one.id)))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


_NOBODY = Entry("", None, None, "", {})
