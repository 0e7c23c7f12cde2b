"""What records of one kind are looked through for. The first of them say how often what is there.

Until there are a few, nothing is looked for, and every rule that is for such records could match: a kind of which there
are hardly any is not worth the time that an automaton takes to make.

Records are looked through many at once, as one text: what is found, is found by where it ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, count
from operator import add
from typing import Any

import orjson

from sekisho.detection.scan.automaton import Automaton, Expression, literal
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.choice import Choice, Tree, choose, holds
from sekisho.detection.scan.need import Need

Line = bytes | memoryview
_STEPS = (8, 256)  # records after which it is chosen what to look for: a first guess, and then for good


class Guards:
    """Octets that make it doubtful how a record is written."""

    def __init__(self, octets: Sequence[bytes]) -> None:
        self.expressions = tuple(Expression(literal(one), everywhere=True) for one in octets)

    @cached_property
    def alone(self) -> Automaton:
        """Looks for nothing else."""
        return Automaton.of(self.expressions)


class Plan:
    """The rules that could match records of a kind: `needs` says what each must have; `guards` are looked for too."""

    def __init__(
        self,
        name: str,
        needs: Callable[[], Mapping[int, Need]],
        cache: Cache | None,
        guards: Guards | None = None,
    ) -> None:
        self._name, self._cache = name, cache
        self._guarded = guards
        self._guards = guards.expressions if guards else ()
        self._sample: list[bytes] = []
        self._automaton: Automaton | None = None
        self._all: tuple[int, ...] = ()
        self._always: tuple[int, ...] = ()
        self._triggers: list[list[tuple[int, bool]]] = []
        self._trees: dict[int, Tree] = {}
        self._exponent = -1
        self._needs, self._steps = needs, list(_STEPS)
        if not self._read():
            self._all = tuple(sorted(needs()))
            self._keep([], [], [], exponent=False, automaton=b"")

    def among(self, texts: Sequence[Line], together: bytes) -> Iterator[tuple[int, tuple[int, ...] | None]]:
        """Of records, by their place: the rules that could match, in their order. Those that none could are left out.

        None is told where a guard says that this cannot be told. `together` are the texts with one octet in between.
        """
        if self._steps and self._all:
            self._learn(texts)
        automaton, default = self._automaton, self._always
        if automaton is None:
            automaton, default = self._guarded.alone if self._guarded else None, self._all
        found: list[tuple[int, int]] = []
        if automaton:
            automaton.scan(together, _add, 0, found)
        by_text: dict[int, dict[int, None]] = {}
        if found:
            ends = list(map(add, accumulate(map(len, texts)), count(1)))  # each with what follows it
            begin = limit = 0
            for end, number in found:
                if not begin < end < limit:  # in another text than the one before
                    place = bisect_left(ends, end + 1)
                    begin, limit = ends[place] - len(texts[place]) - 1, ends[place]
                    here = by_text.setdefault(place, {})
                here[number] = None
        for place in range(len(texts)) if default else sorted(by_text):
            told = self._called(by_text[place]) if place in by_text else default
            if told is None or told:
                yield place, told

    def _called(self, found: Collection[int]) -> tuple[int, ...] | None:
        guards = len(self._guards)
        suspects = set(self._always)
        for number in found:
            if number < guards:
                return None
            if number == self._exponent:
                return self._all
            for place, suffices in self._triggers[number - guards]:
                if place not in suspects and (suffices or holds(self._trees[place], found)):
                    suspects.add(place)
        return tuple(sorted(suspects))

    def _learn(self, texts: Sequence[Line]) -> None:
        self._sample += map(bytes, texts[: self._steps[-1] - len(self._sample)])
        if len(self._sample) < self._steps[0]:
            return
        self._steps = [step for step in self._steps if step > len(self._sample)]
        choice = choose(self._needs(), self._sample, len(self._guards))
        automaton = Automaton.of([*self._guards, *choice.expressions])
        self._use(choice, automaton)
        if not self._steps:
            self._sample.clear()
        self._keep(choice.always, choice.triggers, choice.trees, exponent=choice.exponent, automaton=automaton.kept())

    def _keep(self, *told: object, exponent: bool, automaton: bytes) -> None:
        if self._cache:
            data = orjson.dumps([self._all, self._steps, *told, exponent])
            self._cache.write(self._name, len(data).to_bytes(8, "big") + data + automaton)

    def _use(self, choice: Choice, automaton: Automaton) -> None:
        self._always, self._triggers, self._trees = tuple(choice.always), choice.triggers, dict(choice.trees)
        self._exponent = len(self._guards) + len(choice.triggers) if choice.exponent else -1
        self._automaton = automaton

    def _read(self) -> bool:
        data = self._cache.read(self._name) if self._cache else None
        if data is None:
            return False
        size = 8 + int.from_bytes(data[:8], "big")
        automaton = Automaton.read(data[size:]) if data[size:] else None
        if automaton is None and data[size:]:
            return False
        told: list[Any] = orjson.loads(data[8:size])
        self._all, self._steps = tuple(told[0]), told[1]
        if automaton:
            self._use(Choice([], *told[2:]), automaton)
        return True


def _add(number: int, _: int, end: int, __: int, found: list[tuple[int, int]]) -> None:
    found.append((end, number))
