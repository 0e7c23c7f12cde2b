"""What records of one kind are looked through for. The first of them say how often what is there.

Until there are a few, nothing is looked for, and every rule that is for such records could match: a kind of which there
are hardly any is not worth the time that an automaton takes to make.
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

_STEPS = (8, 256)  # records after which it is chosen what to look for: a first guess, and then for good


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
        self._needs, self._steps = needs, list(_STEPS)
        if not self._read():
            self._all = tuple(sorted(needs()))
            self._keep([], [], exponent=False, automaton=b"")

    @property
    def empty(self) -> bool:
        """Whether no rule could match."""
        return not self._all

    def suspects(self, text: bytes, fields: int = 0) -> tuple[int, ...] | None:
        """The places of the rules that could match a record, in their order; None if a guard was found.

        `fields` is where the later of the two fields begins that tell the kind.
        """
        if self._steps:
            self._learn(text)
        automaton, found = self._automaton, self._found
        found.clear()
        if automaton is None:
            if self._guarded:
                self._guarded.alone.scan(text, self._add, 0, fields)
            return None if found else self._all
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

    def _learn(self, text: bytes) -> None:
        self._sample.append(text)
        if len(self._sample) < self._steps[0]:
            return
        del self._steps[0]
        choice = choose(self._needs(), self._sample, len(self._guards))
        automaton = Automaton.of([*self._guards, *choice.expressions])
        self._use(choice, automaton)
        if not self._steps:
            self._sample.clear()
        self._keep(choice.always, choice.triggers, exponent=choice.exponent, automaton=automaton.kept())

    def _keep(self, *told: object, exponent: bool, automaton: bytes) -> None:
        if self._cache:
            data = orjson.dumps([self._all, self._steps, *told, exponent])
            self._cache.write(self._name, len(data).to_bytes(8, "big") + data + automaton)

    def _use(self, choice: Choice, automaton: Automaton) -> None:
        self._always, self._triggers = tuple(choice.always), choice.triggers
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
