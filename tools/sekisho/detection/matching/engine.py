"""The rules, ready to be asked: which of them match an event."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sekisho.detection.matching import evaluate
from sekisho.detection.matching.evaluate import Telling, Test
from sekisho.detection.records.record import Record, Scalar
from sekisho.detection.records.routing import Router
from sekisho.detection.rules.rule import Rule, Ruleset


class Hit(NamedTuple):
    """A rule, by its place in the set, and the event as the rule saw it."""

    place: int
    record: Record


class Engine:
    """Rules by route, each compiled when it is first asked."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._router = Router(ruleset.rules)
        self._tests: dict[int, Test] = {}
        self._told: dict[int, Telling] = {}

    def hits(self, record: Record, among: Collection[int] | None = None) -> Iterator[Hit]:
        """The rules that match an event, in their order, each once; `among` says which alone can."""
        found: dict[int, Record] = {}
        for aliases, places in self._router.of(record):
            some = places if among is None else [one for one in among if one in places]
            seen = record.called(aliases) if some else record
            for place in some:
                if place not in found and self._test(place)(seen):
                    found[place] = seen
        for place in sorted(found):
            yield Hit(place, found[place])

    def matched(self, hit: Hit) -> dict[str, list[Scalar]]:
        """The fields and values that decided it."""
        told = self._told.get(hit.place)
        if told is None:
            told = self._told[hit.place] = evaluate.telling(self.rule(hit).condition)
        return told(hit.record)

    def rule(self, hit: Hit) -> Rule:
        """The rule of a hit."""
        return self.ruleset.rules[hit.place]

    def _test(self, place: int) -> Test:
        test = self._tests.get(place)
        if test is None:
            test = self._tests[place] = evaluate.compiled(self.ruleset.rules[place].condition)
        return test
