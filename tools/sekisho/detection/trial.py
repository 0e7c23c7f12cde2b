"""Rules of ours on trial: each must hit the events beside it that it is for, and miss those that only look so.

A rule is a folder: `rule.yml` (Sigma, perhaps several documents of which the last correlates the others), `guide.yml`,
`hit.ndjson`, `miss.ndjson`. It is called by its area and its own name, such as `tiers/lgwan_address_from_internet`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from sekisho.core.errors import BadInput, Missing, SekishoError
from sekisho.core.language import Both
from sekisho.core.yamlfile import load as load_yaml
from sekisho.detection import load
from sekisho.detection.detect import Detector
from sekisho.detection.matching import correlate
from sekisho.detection.matching.engine import Engine
from sekisho.detection.rules import documents, files
from sekisho.detection.rules.guide import Guide
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Correlation, Rule, Ruleset
from sekisho.telemetry.workers import Workers

RULE, GUIDE, HIT, MISS = files.RULE, files.GUIDE, "hit.ndjson", "miss.ndjson"


class Fault(NamedTuple):
    """What is wrong with a rule, which is called by its folder."""

    rule: str
    what: Both


class Verdict(NamedTuple):
    """The rules that were tried, and all that is wrong with them."""

    rules: tuple[str, ...]
    faults: tuple[Fault, ...]


class _Raised(NamedTuple):
    """What one file of events raised: by rule of ours the lines; all lines that are no blank ones; the unread."""

    lines: dict[str, set[int]]
    correlated: set[str]
    given: set[int]
    unread: int


def tried(paths: Sequence[Path], zone: tzinfo) -> Verdict:
    """Try all rules in these folders. Times that name no zone are in `zone`.

    Raises:
        Missing: a path is not there.
        BadInput: there is no rule in a folder.
    """
    folders = list(_folders(paths))
    ruleset = load.load(folder / RULE for folder in folders)
    trial = _Trial(ruleset, zone)
    faults = [Fault(_name(Path(one.path).parent), one.reason) for one in ruleset.unusable]
    for folder in folders:
        faults += (Fault(_name(folder), what) for what in trial.of(folder))
    return Verdict(tuple(map(_name, folders)), tuple(faults))


def _folders(paths: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise Missing(Both(f"{path} がない", f"{path} is not there"), Both("パスを確認する", "check the path"))
        inside = sorted(path.rglob(RULE)) if path.is_dir() else [path] if path.name == RULE else []
        if not inside:
            raise BadInput(
                Both(f"{path} に {RULE} がない", f"there is no {RULE} in {path}"),
                Both(f"{RULE} のあるフォルダを指定する", f"name a folder that has a {RULE}"),
            )
        for one in inside:
            folder = one.resolve().parent
            if folder not in seen:
                seen.add(folder)
                yield folder


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


class _Trial:
    def __init__(self, ruleset: Ruleset, zone: tzinfo) -> None:
        self._ruleset, self._zone = ruleset, zone
        self._detector = Detector(Engine(ruleset), correlate.facts(ruleset))
        all_rules: list[Rule | Correlation] = [*ruleset.rules, *ruleset.correlations]
        # By folder, what raises alerts of its own, and what is only there for that.
        self._loud: dict[str, set[str]] = {}
        self._silent: dict[str, set[str]] = {}
        for rule in all_rules:
            kind = self._silent if rule.id in ruleset.silent else self._loud
            kind.setdefault(_name(Path(rule.path).parent), set()).add(rule.id)

    def of(self, folder: Path) -> Iterator[Both]:
        """What is wrong with the rule in a folder."""
        guide = None
        try:
            guide = load_yaml(folder / GUIDE, Guide)
        except SekishoError as error:
            yield Both(error.told_what("ja"), error.told_what("en"))
        yield from _without_id(folder / RULE)
        name = _name(folder)
        if name not in self._loud:
            return  # it was named among those that cannot be used
        for file, judged in ((HIT, self._hit), (MISS, self._miss)):
            path = folder / file
            if not path.is_file():
                yield Both(f"{file} がない", f"{file} is not there")
                continue
            raised = self._raised(path)
            if not raised.given:
                yield Both(f"{file} にイベントがない", f"{file} has no event")
            if raised.unread:
                yield Both(
                    f"{file} に読めない記録が{raised.unread}件ある",
                    f"{file} has {raised.unread} records that cannot be read",
                )
            yield from judged(name, raised, guide.also if guide else ())

    def _hit(self, name: str, raised: _Raised, _also: Sequence[str]) -> Iterator[Both]:
        own = self._loud[name] | self._silent.get(name, set())
        hit = set().union(*(lines for rule, lines in raised.lines.items() if rule in own))
        for line in sorted(raised.given - hit):
            yield Both(f"{HIT} の{line}行目に反応しない", f"line {line} of {HIT} is not hit")
        for rule in sorted(self._loud[name] - raised.lines.keys() - raised.correlated):
            yield Both(f"{HIT} でルール {rule} が反応しない", f"rule {rule} is not raised by {HIT}")

    def _miss(self, name: str, raised: _Raised, also: Sequence[str]) -> Iterator[Both]:
        for other, rules in sorted(self._loud.items()):
            if other != name and other in also:
                continue
            lines = sorted(set().union(*(raised.lines.get(rule, set()) for rule in rules)))
            for line in lines:
                yield Both(f"{MISS} の{line}行目に {other} が反応した", f"line {line} of {MISS} is hit by {other}")
            if rules & raised.correlated:
                yield Both(f"{MISS} に {other} が反応した", f"{MISS} is hit by {other}")

    def _raised(self, path: Path) -> _Raised:
        with Workers(0) as workers:
            answers = list(self._detector.in_files([path], self._zone, workers))
        matches = [match for answer in answers for match in answer.matches]
        lines: dict[str, set[int]] = {}
        for match in matches:
            lines.setdefault(self._ruleset.rules[match.place].id, set()).add(match.record)
        correlated = {one.rule.id for one in correlate.correlated(self._ruleset, matches)}
        given = {number for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()}
        return _Raised(lines, correlated, given, sum(answer.unread for answer in answers))


def _without_id(path: Path) -> Iterator[Both]:
    """An alert is known by its rule's id, so one that changes with the rule's words will not do."""
    try:
        some = list(documents.read(path))
    except CannotUse:
        return  # named before
    for one in some:
        if not one.get("id"):
            title = one.get("title") or RULE
            yield Both(f"{title}: idがない", f"{title}: it has no id")
