"""What to look for: of all that a rule needs, the leaves that are rarest in records of this kind.

A leaf costs a call wherever it is found; one that many records have tells little about any of them. How often it is
there is counted in a sample; what the sample does not have is the rarer, the longer it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sekisho.detection.scan.automaton import EXPONENT, Automaton, Expression, expression
from sekisho.detection.scan.need import Every, Figure, Leaf, Need, Some, Text, every, leaves, some

_CALL = 0.02  # what it costs to be told of a leaf, of what it costs to decide about a record
Tree = int | list[Any]
"""A need about chosen leaves by their numbers: [0, …] is every one of what follows, [1, …] is some."""


class Choice(NamedTuple):
    """What is looked for, and what it means to find it; as JSON can have it.

    `always` are rules for which nothing is looked for. `triggers` has, by leaf, the rules that it may call for, and
    whether it suffices for them; what others need has `trees`. The last expression is `EXPONENT` if `exponent`: whoever
    has one, may be any number.
    """

    expressions: list[Expression]
    always: list[int]
    triggers: list[list[tuple[int, bool]]]
    trees: list[tuple[int, Tree]]
    exponent: bool


def choose(needs: Mapping[int, Need], sample: Sequence[bytes], first: int = 0) -> Choice:
    """What to look for, by rules' needs and a sample of what is looked through; trees begin to count at `first`."""
    known = list(dict.fromkeys(leaf for need in needs.values() for leaf in leaves(need)))
    often = _frequencies(known, sample)
    chosen: dict[Leaf, int] = {}
    always, triggered = list[int](), list[tuple[int, Need, frozenset[Leaf]]]()
    for place, need in sorted(needs.items()):
        if need is True:
            always.append(place)
        elif need is not False:
            one_of = _rarest(need, often)[1]
            triggered.append((place, need, one_of))
            for leaf in one_of:
                chosen.setdefault(leaf, len(chosen))
    triggers: list[list[tuple[int, bool]]] = [[] for _ in chosen]
    trees = list[tuple[int, Tree]]()
    numbers = {leaf: first + number for leaf, number in chosen.items()}
    for place, need, one_of in triggered:
        tree = _tree(_about(need, chosen), numbers)
        suffices = {leaf: _follows(tree, numbers[leaf]) for leaf in one_of}
        for leaf in one_of:
            triggers[chosen[leaf]].append((place, suffices[leaf]))
        if not all(suffices.values()):
            trees.append((place, tree))
    expressions = [Expression(expression(leaf), everywhere=True) for leaf in chosen]
    exponent = any(isinstance(leaf, Figure) for leaf in chosen)
    if not expressions:  # an automaton has at least one
        expressions, triggers = [Expression(rb"\x00\x01\x00")], [[]]
    return Choice(
        [*expressions, Expression(EXPONENT, everywhere=True)] if exponent else expressions,
        always,
        triggers,
        trees,
        exponent,
    )


def holds(tree: Tree, found: Collection[int]) -> bool:
    """Whether a tree holds, when these leaves were found."""
    if isinstance(tree, int):
        return tree in found
    some_of_them, *children = tree
    for one in children:
        if (one in found if one.__class__ is int else holds(one, found)) is bool(some_of_them):
            return bool(some_of_them)
    return not some_of_them


def _follows(tree: Tree, leaf: int) -> bool:
    """Whether a tree holds wherever the leaf is there."""
    return tree == leaf or (isinstance(tree, list) and tree[0] == 1 and leaf in tree)


def _frequencies(known: Sequence[Leaf], sample: Sequence[bytes]) -> dict[Leaf, float]:
    counts = [0.0] * len(known)
    if known:
        automaton = Automaton.of([Expression(expression(leaf), everywhere=True) for leaf in known])
        for text in sample:
            found: list[int] = []
            automaton.scan(text, lambda number, _, __, ___, found: found.append(number), 0, found)
            for number in found:
                counts[number] += _CALL
            for number in set(found):
                counts[number] += 1
    return {leaf: (count + _guess(leaf)) / (len(sample) + 1) for leaf, count in zip(known, counts, strict=True)}


def _guess(leaf: Leaf) -> float:
    match leaf:
        case Text():
            return max(2.0 ** (2 - len(leaf.octets)), 1e-6)
        case Figure():
            return 4.0 ** (1 - len(leaf.digits))
    return 1.0


def _rarest(need: Need, often: Mapping[Leaf, float]) -> tuple[float, frozenset[Leaf]]:
    """The leaves of which one must be there, and how many of them are to be expected in a record."""
    match need:
        case Every():
            return min((_rarest(one, often) for one in need.children), key=lambda one: one[0])
        case Some():
            found = frozenset[Leaf]().union(*(_rarest(one, often)[1] for one in need.children))
            return sum(often[leaf] for leaf in found), found
        case bool():
            raise ValueError(need)
    return often[need], frozenset((need,))


def _about(need: Need, chosen: Mapping[Leaf, int]) -> Need:
    match need:
        case Every():
            return every(_about(one, chosen) for one in need.children)
        case Some():
            return some(_about(one, chosen) for one in need.children)
        case bool():
            return need
    return need if need in chosen else True


def _tree(need: Need, chosen: Mapping[Leaf, int]) -> Tree:
    match need:
        case Every():
            return [0, *(_tree(one, chosen) for one in need.children)]
        case Some():
            return [1, *(_tree(one, chosen) for one in need.children)]
        case bool():
            raise ValueError(need)
    return chosen[need]
