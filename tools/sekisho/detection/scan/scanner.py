"""The front door: records in, and for each the rules that could match it.

A record's text is looked through twice: for its kind, and then, by the plan for that kind, for what its rules need.
What JSON can write in several ways is brought into one before that; what cannot be told is left to whoever reads the
record in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

import orjson

from sekisho.detection import routing
from sekisho.detection.folding import fold
from sekisho.detection.record import Family
from sekisho.detection.rule import Item, Node, Not, Rule
from sekisho.detection.scan import witness
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.kinds import Kind, Look, Seen
from sekisho.detection.scan.need import Channel, EventId, Leaf, Need, decided, every, leaves, some
from sekisho.detection.scan.plan import Plan

Suspects = tuple[int, ...] | None
"""Places of rules; None stands for every rule that is for the record."""

_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\[u/]")
_ODD = re.compile("[\u212a\u0130\u0131\u017f]")
_PLANS = 2_000
_KINDS = 50_000  # ways in which the first look can end that are remembered
_UNSURE = object()


class Scanner:
    """Rules, and for each record those that could match. Not for two threads at once.

    `aside` are octets of records that are to be read in full: for each that has any of these, None is told.
    """

    def __init__(self, rules: Sequence[Rule], cache: Cache | None = None, aside: Sequence[bytes] = ()) -> None:
        self._rules, self._cache = rules, cache
        by_route: dict[routing.Route, list[int]] = {}
        for place, rule in enumerate(rules):
            for route in routing.routes(rule.logsource):
                by_route.setdefault(route, []).append(place)
        ways = [(Family.WINDOWS in route.families, witness.of_route(route), of) for route, of in by_route.items()]
        self._windows = [(need, places) for windows, need, places in ways if windows]
        self._others = [(need, places) for windows, need, places in ways if not windows]
        marks = dict.fromkeys(leaf for need, _ in self._others for leaf in leaves(need) if not isinstance(leaf, EventId))
        self._look = Look(aside, list(marks), cache)
        told = [leaf for _, need, _ in ways for leaf in leaves(need)]
        self._channels = frozenset(leaf.octets for leaf in told if isinstance(leaf, Channel))
        self._codes = frozenset(leaf.number for leaf in told if isinstance(leaf, EventId)).union(
            *(_codes(rule.condition) for rule in rules)
        )
        self._needs: dict[int, Need] = {}
        self._seen: dict[Seen, Plan | Suspects | object] = {}
        self._plans: dict[str, Plan] = {}

    def suspects(self, texts: Iterable[bytes]) -> Iterator[tuple[int, Suspects]]:
        """Of JSON objects, by their place: the rules that could match them. Those that none could are left out."""
        look, known = self._look, self._seen
        for number, text in enumerate(texts):
            seen = look(text)
            try:
                plan = known[seen]
            except KeyError:
                plan = self._met(seen)
            if plan is _UNSURE:
                told = self._unsure(seen, text)
            elif plan is None or plan.__class__ is tuple:
                told = plan  # type: ignore[assignment]
            else:
                told = plan.suspects(text)  # type: ignore[attr-defined]
            if told is None or told:
                yield number, told

    def _met(self, seen: Seen) -> Plan | Suspects | object:
        """For what was seen at the first look: the plan, nobody, None for all, or that more has to be asked."""
        found: Plan | Suspects | object
        if self._look.in_full(seen):
            found = None
        elif self._look.otherwise(seen) or not self._look.flat(seen):
            found = _UNSURE
        else:
            found = self._planned(self._look.kind(seen, (), self._codes))
        self._remember(seen, found)
        return found

    def _unsure(self, seen: Seen, text: bytes) -> Suspects:
        if self._look.otherwise(seen):
            plain = _plainly(text)
            if plain is None:
                return None
            seen, text = self._look(plain), plain
        if self._look.in_full(seen):
            return None
        marks = () if self._look.flat(seen) else self._look.marks(text)
        whole = (*seen, b"", *marks)
        if whole not in self._seen:
            self._remember(whole, self._planned(self._look.kind(seen, marks, self._codes)))
        plan = self._seen[whole]
        return plan.suspects(text) if isinstance(plan, Plan) else plan  # type: ignore[return-value]

    def _remember(self, seen: Seen, found: object) -> None:
        if len(self._seen) >= _KINDS:
            self._seen.clear()
        self._seen[seen] = found

    def _planned(self, kind: Kind) -> Plan | Suspects:
        told = [sorted(kind.channels & self._channels), sorted(kind.codes or ()), kind.codes is None, kind.flat]
        name = sha256(repr([*told, sorted(map(repr, kind.marks))]).encode()).hexdigest()[:32]
        if name not in self._plans:
            if len(self._plans) >= _PLANS:
                return None
            self._plans[name] = Plan(name, lambda: self._needed(kind), self._cache)
        plan = self._plans[name]
        return () if plan.empty else plan

    def _needed(self, kind: Kind) -> Mapping[int, Need]:
        """What rules still need, by their places, for a record of a kind."""

        def mark(leaf: Leaf) -> bool | None:
            known = kind.knows(leaf)
            return leaf in kind.marks if known is None else known

        ways = [(decided(need, kind.knows), places) for need, places in self._windows]
        if not kind.flat:
            ways += [(decided(need, mark), places) for need, places in self._others]
        routed: dict[int, list[Need]] = {}
        for need, places in ways:
            if need is not False:
                for place in places:
                    routed.setdefault(place, []).append(need)
        found = {place: every((some(of), decided(self._need(place), kind.knows))) for place, of in routed.items()}
        return {place: need for place, need in found.items() if need is not False}

    def _need(self, place: int) -> Need:
        if place not in self._needs:
            rule = self._rules[place]
            loose = witness.is_loose(routing.routes(rule.logsource))
            self._needs[place] = witness.of_condition(rule.condition, loose=loose)
        return self._needs[place]


def _codes(node: Node) -> Iterator[int]:
    """The numbers of events that a condition names."""
    if isinstance(node, Item):
        if node.field == witness.CODE:
            yield from (leaf.number for leaf in leaves(witness.of_condition(node)) if isinstance(leaf, EventId))
    elif not isinstance(node, Not):
        for child in node.children:
            yield from _codes(child)


def _plainly(text: bytes) -> bytes | None:
    """The same record as orjson writes it, with letters folded that become ASCII by that; None if it is no record."""
    try:
        if _ESCAPED.search(text):
            text = orjson.dumps(orjson.loads(text))
        words = text.decode()
    except ValueError:
        return None
    return fold(words).replace("ſ", "s").replace("ı", "i").encode() if _ODD.search(words) else text
