"""Rules from files. What cannot be used is named with its reason, and the rest is used."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import orjson
from msgspec.structs import replace

from sekisho.core.files import shown
from sekisho.core.language import Both
from sekisho.detection.records import routing
from sekisho.detection.rules import condition, correlations, documents, files, values
from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import (
    LEVELS,
    All,
    AnyOf,
    Correlation,
    Level,
    Logsource,
    Node,
    Rule,
    Ruleset,
    Unusable,
    silent,
    written,
)
from sekisho.detection.rules.sizes import measured

_ROOM = 128 * 1024 * 1024  # octets that all conditions may have, with what filters add to them
_FOR_NONE = Both("当てはまるルールがない", "there is no rule that it is for")
_NO_ROOM = Both("ルールが全部で大きすぎる", "all rules together are too large")
_OURS = uuid.UUID("6f2b5a0e-3d0c-5b0e-9a34-5345b1540000")  # under which rules without an id get one
Made = TypeVar("Made")


class Filter(NamedTuple):
    """What is added to the condition of rules: of some by id or name, or of all of a logsource."""

    logsource: Logsource
    rules: tuple[str, ...] | None
    condition: Node
    size: int  # octets of it, written out


def load(paths: Iterable[Path]) -> Ruleset:
    """All rules of files and folders, in the order of their paths.

    Raises:
        Missing: a path is not there.
        BadInput: a folder has no rules.
    """
    loading = _Loading()
    for path in files.under(paths):
        loading.file(Path(path))
    return loading.done()


class _Loading:
    """What was read so far: rules; and what refers to rules, which waits until all are known."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._unusable: list[Unusable] = []
        self._filters: list[tuple[str, dict[str, Any], Filter]] = []
        self._correlations: list[tuple[str, dict[str, Any]]] = []
        self._room = _ROOM

    def file(self, path: Path) -> None:
        name = shown(path)
        for document in self._attempt(name, {}, lambda: list(documents.read(path))) or ():
            self._document(name, document)

    def done(self) -> Ruleset:
        rules, repeated = _once(self._rules)
        self._unusable += repeated
        added = defaultdict[int, list[Node]](list)
        for path, document, one in self._filters:
            touched = [place for place, rule in enumerate(rules) if _meant(rule, one)]
            if not touched or not self._has_room(len(touched) * one.size):
                self._unusable.append(_unusable(path, document, _NO_ROOM if touched else _FOR_NONE))
                continue
            for place in touched:
                added[place].append(one.condition)
        for place, some in added.items():
            rules[place] = replace(rules[place], written=written(All((rules[place].condition, *some))))
        found: dict[str, Correlation] = {}
        for path, document in correlations.in_order(self._correlations):
            made = self._attempt(path, document, partial(_correlation, path, document, rules, found))
            same = found.get(made.id) if made else None
            if made and same:
                self._unusable.append(_unusable(path, document, _repeated(same.path)))
            elif made:
                found[made.id] = made
        return Ruleset(tuple(rules), tuple(found.values()), tuple(self._unusable), silent(found.values()))

    def _document(self, path: str, document: dict[str, Any]) -> None:
        if "correlation" in document:
            self._correlations.append((path, document))
        elif "filter" in document:
            made = self._attempt(path, document, lambda: _filter(document))
            self._filters += [(path, document, made)] if made else []
        elif rule := self._attempt(path, document, lambda: _rule(path, document)):
            if self._has_room(len(bytes(rule.written))):
                self._rules.append(rule)
            else:
                self._unusable.append(_unusable(path, document, _NO_ROOM))

    def _has_room(self, size: int) -> bool:
        fits = size <= self._room
        self._room -= size if fits else 0
        return fits

    def _attempt(self, path: str, document: Mapping[str, Any], make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except CannotUse as error:
            self._unusable.append(_unusable(path, document, error.reason))
        except RecursionError:
            self._unusable.append(_unusable(path, document, Both("入れ子が深すぎる", "nested too deep")))
        return None


def _correlation(
    path: str, document: dict[str, Any], rules: Sequence[Rule], known: Mapping[str, Correlation]
) -> Correlation:
    return correlations.read(path, document, rules, list(known.values()), identity(document), _level(document))


def identity(document: Mapping[str, Any]) -> str:
    """The rule's id; one that has none is known by all that it says."""
    given = document.get("id")
    if given:
        return str(given)
    try:
        said = orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a number of more than 64 bits, or what is deeper than it writes
        said = repr(document)
    return str(uuid.uuid5(_OURS, said))


def _rule(path: str, document: dict[str, Any]) -> Rule:
    if "action" in document:
        raise CannotUse(
            "`action` は廃止された書き方。文書ごとに全部書く", "`action` is no longer Sigma: write each document out"
        )
    if not isinstance(document.get("title"), str):
        raise CannotUse("ルールではない(titleがない)", "no rule: it has no title")
    source = _logsource(document)
    routing.routes(source)  # a logsource that nobody knows is told now, not by silence later
    return Rule(
        id=identity(document),
        title=document["title"],
        level=_level(document),
        status=_text(document.get("status")),
        logsource=source,
        written=measured(_condition(document.get("detection"))),
        path=path,
        tags=tuple(map(str, _list(document.get("tags")))),
        name=_text(document.get("name")),
        description=_text(document.get("description")),
        false_positives=tuple(map(str, _list(document.get("falsepositives")))),
    )


def _filter(document: dict[str, Any]) -> Filter:
    asked = document["filter"]
    if not isinstance(asked, dict):
        raise CannotUse("filterが読めない", "the filter cannot be read")
    wanted = asked.get("rules")
    rules = None if wanted in ("any", []) else tuple(map(str, _list(wanted)))
    if rules == ():
        raise CannotUse("filterに対象のルールがない", "the filter names no rules")
    rest = {key: value for key, value in asked.items() if key != "rules"}
    added = _condition(rest)
    return Filter(_logsource(document), rules, added, len(bytes(measured(added))))


def _meant(rule: Rule, one: Filter) -> bool:
    asked = one.logsource.as_dict().items()
    has = rule.logsource.as_dict()
    if any(has.get(key) != value for key, value in asked):
        return False
    return one.rules is None or rule.id in one.rules or (rule.name or rule.id) in one.rules


def _condition(detection: object) -> Node:
    if not isinstance(detection, dict):
        raise CannotUse("detectionがない", "there is no detection")
    if detection.get("timeframe") is not None:
        raise CannotUse(
            "timeframeは廃止された書き方。correlationで書く", "timeframe is no longer Sigma: write a correlation"
        )
    given = _list(detection.get("condition"))
    if not given or not all(isinstance(one, str) for one in given):
        raise CannotUse("conditionがない", "there is no condition")
    selections = {
        str(name): values.selection(what) for name, what in detection.items() if name not in {"condition", "timeframe"}
    }
    found = [condition.parse(one, selections) for one in given]
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def _logsource(document: Mapping[str, Any]) -> Logsource:
    given = document.get("logsource")
    if not isinstance(given, dict):
        raise CannotUse("logsourceがない", "there is no logsource")
    return Logsource(*(_text(given.get(key)) for key in ("category", "product", "service")))


def _level(document: Mapping[str, Any]) -> Level | None:
    given = document.get("level")
    if given is None:
        return None
    if given not in LEVELS:
        raise CannotUse(f"levelが '{given}' になっている", f"the level is {given!r}")
    return cast("Level", given)


def _once(rules: Sequence[Rule]) -> tuple[list[Rule], list[Unusable]]:
    """Of rules with the same id the first; a file that was named twice is read once anyway."""
    by_id: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_id[rule.id].append(rule)
    told = [
        Unusable(rule.path, rule.id, rule.title, _repeated(same[0].path))
        for same in by_id.values()
        for rule in same[1:]
    ]
    return [same[0] for same in by_id.values()], told


def _repeated(path: str) -> Both:
    return Both(f"idが {path} と同じ", f"it has the id of {path}")


def _unusable(path: str, document: Mapping[str, Any], reason: Both) -> Unusable:
    return Unusable(path, _text(document.get("id")), _text(document.get("title")), reason)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
