"""Taking a release of SigmaHQ's in: looked at as a whole, and put in the place of the one before in one step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from sekisho.core.clock import now
from sekisho.core.errors import BadInput, Missing
from sekisho.core.files import unwritten
from sekisho.core.language import Both
from sekisho.detection.release import archive, held, index
from sekisho.detection.release.held import Release
from sekisho.detection.release.index import Changes, Entry

_SUFFIXES = (".yml", ".yaml")
_RULES = re.compile(r"rules(?:-[a-z-]+)?")  # rules/, rules-emerging-threats/, rules-threat-hunting/ and the like
_VERSION = "version.txt"
_MOST = 20_000  # files of rules
_TOLD = 20  # faults


class Outcome(NamedTuple):
    """A release that was looked at, the one that was in use then (or None), and in what they differ."""

    release: Release
    before: Release | None
    rules: int
    changes: Changes

    @property
    def same(self) -> bool:
        """Whether it is the one that was in use."""
        return self.before is not None and self.before.sha256 == self.release.sha256


def take(state: Path, path: Path, *, only_look: bool = False) -> Outcome:
    """Put a release of SigmaHQ's, as an archive, in use; or only tell what it would change.

    Raises:
        Missing: the archive cannot be read, or the state folder not be written.
        BadInput: it is not right, or made to harm. Nothing has changed then.
    """
    with held.unpacking(state) as folder:
        before = held.of(state)
        release = _unpacked(path, folder)
        entries, faults = index.read(folder)
        if faults:
            raise BadInput(
                Both(
                    f"{path}: 正しくないルールが{len(faults):,}件ある", f"{path}: {len(faults):,} rules are not right"
                ),
                Both("何も変えていない。配布元に確かめる", "nothing was changed; ask where it came from"),
                reasons=faults[:_TOLD],
            )
        changes = index.changes(_in_use(state), entries)
        outcome = Outcome(release, before.current if before else None, len(entries), changes)
        if not only_look and (not outcome.same or any(changes)):
            held.use(state, folder, release)
    return outcome


def _in_use(state: Path) -> dict[str, Entry]:
    """The rules of the release in use, as they are now; none of it if somebody has removed them."""
    try:
        place = held.rules(state)
        return index.read(place)[0] if place else {}
    except (Missing, BadInput):
        return {}


def _unpacked(path: Path, folder: Path) -> Release:
    """Write an archive's rules below a folder: only YAML, only in folders of rules, only new files."""
    count, said = 0, dict[str, str]()
    with archive.opened(path) as found:
        first, *others = {entry.steps[0]: None for entry in found.entries} or [""]
        # GitHub puts all of a source in one folder, and SigmaHQ's own packages in none.
        top = "" if others or _RULES.fullmatch(first) else first
        for entry in found.entries:
            steps = entry.steps[1:] if top else entry.steps
            if steps == (_VERSION,):
                said = _said(entry.read())
            if len(steps) < 2 or not _RULES.fullmatch(steps[0]) or not steps[-1].endswith(_SUFFIXES):
                continue
            count += 1
            if count > _MOST:
                raise archive.refused(path, f"ルールが{_MOST:,}個を超えている", f"more than {_MOST:,} rules are in it")
            _write(path, folder.joinpath(*steps), entry.read())
    if not count:
        raise archive.refused(
            path,
            "ルールがない(rules/ などのフォルダに .yml がない)",
            "there are no rules: no .yml in a folder such as rules/",
        )
    return Release(
        sha256=found.sha256,
        archive=_plain(path.name),
        version=said.get("Label") or said.get("Release Date") or top.removeprefix("sigma-") or None,
        commit=said.get("Commit-Hash") or found.commit,
        files=count,
        imported=now().replace(microsecond=0),
    )


def _write(path: Path, place: Path, data: bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(data)
    except (FileExistsError, NotADirectoryError) as error:
        raise archive.refused(
            path, f"同じ名前が二つある: {place.name}", f"a name stands twice: {place.name}"
        ) from error
    except OSError as error:
        raise unwritten(place, error) from error


def _said(data: bytes) -> dict[str, str]:
    """What `version.txt` says: `Release Date`, `Label` and `Commit-Hash`, a line each."""
    lines = [line.partition(":") for line in data[:4096].decode(errors="replace").splitlines()]
    said = {_plain(name): _plain(value)[:100] for name, _, value in lines}
    return {name: value for name, value in said.items() if value not in {"", "N/A"}}


def _plain(text: str) -> str:
    """Others' text, without what cannot be printed, or be written to a file as UTF-8."""
    return "".join(filter(str.isprintable, text)).strip()
