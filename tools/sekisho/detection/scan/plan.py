"""What records of one kind are looked through for. The first of them say how often what is there.

Until there are enough of these, nothing is looked for, and every rule that is for such records could match: a kind of
which there are few is not worth the time that an automaton takes to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson

from sekisho.detection.scan.automaton import Automaton, Expression
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.choice import Choice, Tree, choose, holds
from sekisho.detection.scan.kinds import WITHIN
from sekisho.detection.scan.need import Need

_SAMPLE = 128  # records; half of that where there are so many rules that to ask them all takes long
_MANY = 300


class Guards:
    """What makes a plan doubtful for a record; of the first ones, `kinds` tells more."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self.expressions = tuple(expressions)

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
        self._found: list[int] = []
        self._all: tuple[int, ...] = ()
        self._always: tuple[int, ...] = ()
        self._triggers: list[list[tuple[int, Tree | None]]] = []
        self._exponent = -1
        if not self._read():
            self._known: Mapping[int, Need] = needs()
            self._all = tuple(sorted(self._known))

    @property
    def empty(self) -> bool:
        """Whether no rule could match."""
        return not self._all

    def suspects(self, text: bytes, fields: int = 0) -> tuple[int, ...] | None:
        """The places of the rules that could match a record, in their order; None if a guard was found.

        `fields` is where the later of the two fields begins that tell the kind.
        """
        automaton, found = self._automaton, self._found
        if automaton is None:
            return self._learn(text, fields)
        found.clear()
        automaton.scan(text, self._add, 0, fields)
        if not found:
            return self._always
        return self._called(found)

    def _called(self, found: list[int]) -> tuple[int, ...] | None:
        guards = len(self._guards)
        suspects = set(self._always)
        for number in found:
            if number < guards:
                return None
            if number == self._exponent:
                return self._all
            for place, tree in self._triggers[number - guards]:
                if place not in suspects and (tree is None or holds(tree, found)):
                    suspects.add(place)
        return tuple(sorted(suspects)) if suspects else ()

    def _add(self, number: int, _: int, end: int, __: int, fields: int) -> None:
        if number >= WITHIN or not self._guards or end < fields:
            self._found.append(number)

    def _learn(self, text: bytes, fields: int) -> tuple[int, ...] | None:
        if self._guarded:
            self._found.clear()
            self._guarded.alone.scan(text, self._add, 0, fields)
            if self._found:
                return None
        self._sample.append(text)
        if len(self._sample) >= (_SAMPLE if len(self._all) < _MANY else _SAMPLE // 2):
            choice = choose(self._known, self._sample, len(self._guards))
            automaton = Automaton.of([*self._guards, *choice.expressions])
            self._sample.clear()
            self._use(choice, automaton)
            if self._cache:
                told = orjson.dumps([self._all, choice.always, choice.triggers, choice.exponent])
                self._cache.write(self._name, len(told).to_bytes(8, "big") + told + automaton.kept())
        return self._all

    def _use(self, choice: Choice, automaton: Automaton) -> None:
        self._always, self._triggers = tuple(choice.always), choice.triggers
        self._exponent = len(self._guards) + len(choice.triggers) if choice.exponent else -1
        self._automaton = automaton

    def _read(self) -> bool:
        data = self._cache.read(self._name) if self._cache else None
        if data is None:
            return False
        size = 8 + int.from_bytes(data[:8], "big")
        automaton = Automaton.read(data[size:])
        if automaton is None:
            return False
        told: list[Any] = orjson.loads(data[8:size])
        self._all = tuple(told[0])
        self._use(Choice([], told[1], told[2], told[3]), automaton)
        return True
