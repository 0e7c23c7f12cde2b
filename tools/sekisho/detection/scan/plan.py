"""What records of one kind are looked through for. The first of them say how often what is there.

Until there are enough of these, nothing is looked for, and every rule that is for such records could match: a kind of
which there are few is not worth the time that an automaton takes to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from sekisho.detection.scan.automaton import Automaton
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.choice import Choice, Tree, choose, holds
from sekisho.detection.scan.need import Need

_SAMPLE = 128  # records; half of that where there are so many rules that to ask them all takes long
_MANY = 300


class Plan:
    """The rules that could match records of a kind: `needs` says what each must have."""

    def __init__(self, name: str, needs: Callable[[], Mapping[int, Need]], cache: Cache | None) -> None:
        self._name, self._needs, self._cache = name, needs, cache
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

    def suspects(self, text: bytes) -> tuple[int, ...]:
        """The places of the rules that could match a record, in their order."""
        automaton, found = self._automaton, self._found
        if automaton is None:
            return self._learn(text)
        found.clear()
        automaton.scan(text, self._add, 0, None)
        if not found:
            return self._always
        if self._exponent in found:
            return self._all
        suspects = set(self._always)
        for leaf in found:
            for place, tree in self._triggers[leaf]:
                if place not in suspects and (tree is None or holds(tree, found)):
                    suspects.add(place)
        return tuple(sorted(suspects))

    def _add(self, number: int, _: int, __: int, ___: int, ____: object) -> None:
        self._found.append(number)

    def _learn(self, text: bytes) -> tuple[int, ...]:
        self._sample.append(text)
        if len(self._sample) >= (_SAMPLE if len(self._all) < _MANY else _SAMPLE // 2):
            choice = choose(self._known, self._sample)
            automaton = Automaton.of(choice.expressions)
            self._sample.clear()
            self._use(choice, automaton)
            if self._cache:
                told = orjson.dumps([self._all, choice.always, choice.triggers, choice.exponent])
                self._cache.write(self._name, len(told).to_bytes(8, "big") + told + automaton.kept())
        return self._all

    def _use(self, choice: Choice, automaton: Automaton) -> None:
        self._always, self._triggers = tuple(choice.always), choice.triggers
        self._exponent = len(choice.triggers) if choice.exponent else -1
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
