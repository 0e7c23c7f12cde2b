"""The front door: records in, and for each the rules that could match it.

A record's text is looked through twice. First for what tells its kind: channels, programs, fields that only one kind of
log has, and the EventID. Then, by the plan for that kind, for what its rules need. What JSON can write in several ways
is brought into one before that; what cannot be told is left to whoever reads the record in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

import orjson

from sekisho.detection import routing
from sekisho.detection.folding import fold
from sekisho.detection.rule import Item, Node, Not, Number, Pattern, Rule
from sekisho.detection.scan import automaton, witness
from sekisho.detection.scan.automaton import Automaton
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.need import EventId, Leaf, Need, Text, decided, every, leaves, some
from sekisho.detection.scan.plan import Plan

Suspects = tuple[int, ...] | None
"""Places of rules; None stands for every rule, whatever record that is."""

_CODE, _ESCAPE, _FOLDED, _NOT_TEXT = range(4)  # the first expressions; what tells the kind comes behind
_FIRST = (
    rb'event_?id"\s*:',
    rb"(?-i)\\[u/]",
    rb"\xe2\x84\xaa|\xc4[\xb0\xb1]|\xc5\xbf",  # K, İ, ı, ſ: of these case makes letters of ASCII
    rb'"message"\s*:\s*\[',  # journald writes octets that are no text as numbers
)
# As JSON has it: the quotes of a text, or the element that EVTX gives attributes.
_NUMBER = re.compile(
    rb'\s*(?:\{\s*"#attributes"\s*:\s*\{\s*"Qualifiers"\s*:\s*"?[0-9]{1,9}"?\s*\}\s*,\s*"#text"\s*:\s*)?'
    rb'"?0*([0-9]{1,9})"?\s*[,}]'
)
_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\[u/]")
_ODD = re.compile("[\u212a\u0130\u0131\u017f]")
_UNKNOWN = b"?"
_PLANS = 2_000
_KINDS = 50_000  # ways in which the first look can end that are remembered

Seen = tuple[int | bytes, ...]


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
        self._routes = [(witness.of_route(route), places) for route, places in by_route.items()]
        texts = dict.fromkeys(leaf for need, _ in self._routes for leaf in leaves(need) if isinstance(leaf, Text))
        self._aside = frozenset(range(len(_FIRST), len(_FIRST) + len(aside)))
        self._texts: dict[Leaf, int] = {leaf: number for number, leaf in enumerate(texts, len(_FIRST) + len(aside))}
        self._codes = {leaf.number for need, _ in self._routes for leaf in leaves(need) if isinstance(leaf, EventId)}
        self._codes.update(code for rule in rules for code in _codes(rule.condition))
        expressions = [*_FIRST, *map(automaton.literal, aside), *map(automaton.expression, texts)]
        self._automaton = self._made(expressions)
        self._needs: dict[int, Need] = {}
        self._seen: list[int | bytes] = []
        self._kinds: dict[Seen, Plan | Suspects] = {}
        self._plans: dict[str, Plan] = {}

    def suspects(self, texts: Iterable[bytes]) -> Iterator[tuple[int, Suspects]]:
        """Of JSON objects, by their place: the rules that could match them. Those that none could are left out."""
        scan, add, seen, kinds = self._automaton.scan, self._add, self._seen, self._kinds
        for number, text in enumerate(texts):
            seen.clear()
            scan(text, add, 0, text)
            kind = tuple(seen)
            try:
                plan = kinds[kind]
            except KeyError:
                plan = self._plan(kind)
            if plan is None:
                told = self._otherwise(text)
            elif plan.__class__ is tuple:
                told = plan
            else:
                told = plan.suspects(text)  # type: ignore[union-attr]
            if told is None or told:
                yield number, told

    def _add(self, number: int, _: int, end: int, __: int, text: bytes) -> None:
        if number:
            self._seen.append(number)
        else:
            found = _NUMBER.match(text, end)
            self._seen.append(found[1] if found else _UNKNOWN)

    def _otherwise(self, text: bytes) -> Suspects:
        """The suspects of a record that may be written in more than one way."""
        plain = _plainly(text)
        if plain is None:
            return None
        self._seen.clear()
        self._automaton.scan(plain, self._add, 0, plain)
        kind = tuple(one for one in self._seen if one not in {_ESCAPE, _FOLDED})
        plan = self._kinds[kind] if kind in self._kinds else self._plan(kind)
        return plan.suspects(plain) if isinstance(plan, Plan) else plan

    def _plan(self, seen: Seen) -> Plan | Suspects:
        """For what was seen at the first look: the plan, nobody, or None for all that has to be read in full."""
        plan: Plan | Suspects = None
        if self._aside.isdisjoint(seen) and not {_ESCAPE, _FOLDED, _NOT_TEXT} & set(seen):
            plan = self._planned(seen)
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        self._kinds[seen] = plan
        return plan

    def _planned(self, seen: Seen) -> Plan | Suspects:
        texts = frozenset(one for one in seen if isinstance(one, int))
        codes = None if _UNKNOWN in seen else self._codes & {int(one) for one in seen if isinstance(one, bytes)}
        name = sha256(repr((sorted(texts), None if codes is None else sorted(codes))).encode()).hexdigest()[:32]
        if name not in self._plans:
            if len(self._plans) >= _PLANS:
                return None
            self._plans[name] = Plan(name, lambda: self._needed(texts, codes), self._cache)
        plan = self._plans[name]
        return () if plan.empty else plan

    def _needed(self, texts: frozenset[int], codes: set[int] | None) -> Mapping[int, Need]:
        """What rules still need, by their places, when these texts and numbers of events were seen."""

        def known(leaf: Leaf) -> bool | None:
            if isinstance(leaf, EventId):
                return codes is None or leaf.number in codes
            number = self._texts.get(leaf)
            return None if number is None else number in texts

        routed: dict[int, list[Need]] = {}
        for need, places in self._routes:
            rest = decided(need, known)
            if rest is not False:
                for place in places:
                    routed.setdefault(place, []).append(rest)
        found = {}
        for place, ways in routed.items():
            need = every((some(ways), decided(self._need(place), known)))
            if need is not False:
                found[place] = need
        return found

    def _need(self, place: int) -> Need:
        if place not in self._needs:
            rule = self._rules[place]
            loose = witness.is_loose(routing.routes(rule.logsource))
            self._needs[place] = witness.of_condition(rule.condition, loose=loose)
        return self._needs[place]

    def _made(self, expressions: Sequence[bytes]) -> Automaton:
        kept = self._cache.read("kinds") if self._cache else None
        made = Automaton.read(kept) if kept is not None else None
        if made is None:
            made = Automaton.of(expressions, everywhere=(_CODE,))
            if self._cache:
                self._cache.write("kinds", made.kept())
        return made


def _codes(node: Node) -> Iterator[int]:
    """The numbers of events that a condition names."""
    if isinstance(node, Item):
        if node.field == "EventID":
            for one in node.matchers:
                if isinstance(one, Pattern | Number):
                    yield from (
                        leaf.number
                        for leaf in leaves(witness.of_condition(Item("EventID", (one,))))
                        if isinstance(leaf, EventId)
                    )
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
