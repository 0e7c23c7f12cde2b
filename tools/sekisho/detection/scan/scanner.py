"""The front door: records in, and for each the rules that could match it.

A record's text is looked through twice: for its kind, and then, with others of that kind, for what its rules need.
What JSON can write in several ways is brought into one before that; what cannot be told is left to whoever reads the
record in full.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import orjson

from sekisho.detection.records import routing
from sekisho.detection.records.folding import fold
from sekisho.detection.records.record import Family
from sekisho.detection.rules.rule import Item, Node, Not, Rule
from sekisho.detection.scan import envelope, kinds, pieces, witness
from sekisho.detection.scan.cache import Cache
from sekisho.detection.scan.envelope import Told
from sekisho.detection.scan.kinds import Kind, Look, named
from sekisho.detection.scan.need import Channel, EventId, Leaf, Need, decided, every, leaves, some
from sekisho.detection.scan.plan import Guards, Line, Plan
from sekisho.telemetry.stream import LONGEST

Suspects = tuple[int, ...] | None
"""Places of rules; None stands for every rule that is for the record."""

_ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\[u/]")
_ODD = re.compile("[\u212a\u0130\u0131\u017f]")
_CODE = b'"%s"' % witness.CODE.encode()
_PLAIN = str.maketrans(pieces.PLAIN)
_PLANS = 2_000
_KINDS, _LONGEST = 50_000, 400  # what records say of their kinds that is remembered, and how long that may be
_AT_ONCE = 1024  # records; some of them are of one kind


class Scanner:
    """Rules, and for each record those that could match. Not for two threads at once.

    `aside` are octets of records that are to be read in full: for each that has any of these, None is told.
    """

    def __init__(self, rules: Sequence[Rule], cache: Cache | None = None, aside: Sequence[bytes] = ()) -> None:
        self._rules, self._cache = rules, cache
        by_route = routing.by_route(rules)
        ways = [(Family.WINDOWS in route.families, witness.of_route(route), of) for route, of in by_route.items()]
        self._windows = [(need, places) for windows, need, places in ways if windows]
        self._others = [(need, places) for windows, need, places in ways if not windows]
        marks = dict.fromkeys(
            leaf for need, _ in self._others for leaf in leaves(need) if not isinstance(leaf, EventId)
        )
        self._look = Look(aside, list(marks), cache)
        told = [leaf for _, need, _ in ways for leaf in leaves(need)]
        self._channels = frozenset(leaf.octets for leaf in told if isinstance(leaf, Channel))
        self._codes = frozenset(leaf.number for leaf in told if isinstance(leaf, EventId)).union(
            *(_codes(rule.condition) for rule in rules if _CODE in bytes(rule.written))
        )
        self._needs: dict[int, Need] = {}
        self._guards = Guards((*kinds.GUARDS, *aside))
        self._told: dict[Told, Plan | None] = {}
        self._plans: dict[Kind, Plan] = {}

    def suspects(self, texts: Sequence[Line]) -> Iterator[tuple[int, Suspects]]:
        """Of JSON objects, by their place: the rules that could match them. Those that none could are left out.

        What is left out is JSON. None is told of what may be none, or more than one record.
        """
        for begin in range(0, len(texts), _AT_ONCE):
            some = texts[begin : begin + _AT_ONCE]
            if max(map(len, some)) > LONGEST:  # which is no record
                some = [text if len(text) <= LONGEST else b"" for text in some]
            for place, told in sorted(self._some(some)):
                yield begin + place, told

    def _some(self, texts: Sequence[Line]) -> Iterator[tuple[int, Suspects]]:
        alike, doubtful = defaultdict[Told, list[int]](list), list[int]()
        for place, text in enumerate(texts):
            try:
                alike[envelope.told(text)].append(place)
            except envelope.REFUSED:
                if envelope.is_object(text):
                    doubtful.append(place)
                else:
                    yield place, None
        for told, places in alike.items():
            plan, some = self._of(told), [texts[place] for place in places]
            together = b"\n".join(some)
            if plan is None or not _is_text(together):
                doubtful += places
                continue
            for number, suspects in plan.among(some, together):
                if suspects is None:
                    doubtful.append(places[number])
                else:
                    yield places[number], suspects
        for place in doubtful:
            suspects = self._doubtful(bytes(texts[place]))
            if suspects is None or suspects:
                yield place, suspects

    def _of(self, told: Told) -> Plan | None:
        """The plan for records that say this of themselves; None if they are looked at otherwise."""
        try:
            return self._told[told]
        except KeyError:
            kind = envelope.kind(told, self._codes)
            plan = self._planned(kind, self._guards) if kind else None
            if len(self._told) < _KINDS and len(str(told)) < _LONGEST:
                self._told[told] = plan
            return plan

    def _doubtful(self, text: bytes) -> Suspects:
        """The suspects of any record."""
        if not _is_text(text):
            return None
        seen = self._look(text)
        if self._look.otherwise(seen):
            plain = _plainly(text)
            if plain is None:
                return None
            seen, text = self._look(plain), plain
        if self._look.in_full(seen):
            return None
        plan = self._planned(self._look.kind(seen, self._look.marks(text), self._codes))
        return next((suspects for _, suspects in plan.among([text], text)), ()) if plan else None

    def _planned(self, kind: Kind, guards: Guards | None = None) -> Plan | None:
        kind = kind._replace(channels=kind.channels & self._channels)
        plan = self._plans.get(kind)
        if plan is None and len(self._plans) < _PLANS:
            told = [sorted(kind.channels), kind.codes and sorted(kind.codes), sorted(map(repr, kind.marks)), kind.flat]
            name = named(repr(told))
            plan = self._plans[kind] = Plan(name, lambda: self._needed(kind), self._cache, guards)
        return plan

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


def _is_text(octets: bytes) -> bool:
    """Whether this is UTF-8."""
    try:
        return octets.isascii() or bool(octets.decode())
    except UnicodeDecodeError:
        return False


def _plainly(text: bytes) -> bytes | None:
    """The same record as orjson writes it, with letters folded that become ASCII by that; None if it is no record."""
    try:
        if _ESCAPED.search(text):
            text = orjson.dumps(orjson.loads(text))
        words = text.decode()
    except ValueError:
        return None
    return fold(words).translate(_PLAIN).encode() if _ODD.search(words) else text
