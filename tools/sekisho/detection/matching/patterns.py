"""Whether a text is one of many that a rule names: all of an item's plain values are tried together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from sekisho.detection.records.folding import fold
from sekisho.detection.rules.rule import Part, Pattern, Wild

TextTest = Callable[[str], bool]
_FEW = 8  # texts that are as quickly tried one by one


def folded_parts(pattern: Pattern) -> tuple[Part, ...]:
    """The parts of a pattern with letters folded."""
    return tuple(fold(one) if isinstance(one, str) else one for one in pattern.parts)


def patterns(some: Iterable[tuple[Part, ...]]) -> TextTest:  # noqa: C901, PLR0912 - a line a kind
    """Whether a text is one of these, each told by the cheapest way."""
    whole: set[str] = set()
    begins: list[str] = []
    ends: list[str] = []
    within: list[str] = []
    rest: list[TextTest] = []
    for parts in some:
        match parts:
            case ():
                whole.add("")
            case (str() as text,):
                whole.add(text)
            case (str() as text, Wild.MANY):
                begins.append(text)
            case (Wild.MANY, str() as text):
                ends.append(text)
            case (Wild.MANY, str() as text, Wild.MANY):
                within.append(text)
            case (Wild.MANY,):
                return lambda _: True
            case _:
                rest.append(_wildcards(parts))
    tests: list[TextTest] = []
    if whole:
        tests.append(whole.__contains__)
    if begins:
        tests.append(_begins(begins))
    if ends:
        tests.append(_ends(ends))
    if len(within) == 1:
        only = within[0]
        tests.append(lambda text: only in text)
    elif within:
        tests.append(_within_any(within))
    tests += rest
    if len(tests) == 1:
        return tests[0]
    return lambda text: any(test(text) for test in tests)


def _begins(beginnings: Sequence[str]) -> TextTest:
    some = tuple(beginnings)
    if len(some) <= _FEW:
        return lambda text: text.startswith(some)
    size = min(map(len, some))
    alike = _alike((one[:size], one) for one in some)
    return lambda text: text.startswith(alike.get(text[:size], ()))


def _ends(endings: Sequence[str]) -> TextTest:
    some = tuple(endings)
    size = min(map(len, some))
    if len(some) <= _FEW or not size:
        return lambda text: text.endswith(some)
    alike = _alike((one[-size:], one) for one in some)
    return lambda text: text.endswith(alike.get(text[-size:], ()))


def _alike(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """What has the same key, together."""
    found: dict[str, list[str]] = {}
    for key, one in pairs:
        found.setdefault(key, []).append(one)
    return {key: tuple(some) for key, some in found.items()}


def _within_any(pieces: Sequence[str]) -> TextTest:
    def test(text: str) -> bool:
        for one in pieces:  # noqa: SIM110 - a generator costs more than the tests
            if one in text:
                return True
        return False

    return test


def _wildcards(parts: Sequence[Part]) -> TextTest:
    """Any pattern: its pieces between the `*` are found one behind the other, each as early as it can be.

    That needs no backtracking: the text is passed once a piece, however many `*` there are.
    """
    pieces: list[list[Part]] = [[]]
    for part in parts:
        if part is Wild.MANY:
            pieces.append([])
        else:
            pieces[-1].append(part)
    found = [
        re.compile("".join("." if one is Wild.ONE else re.escape(str(one)) for one in some), re.DOTALL)
        for some in pieces
    ]
    sizes = [sum(1 if one is Wild.ONE else len(str(one)) for one in some) for some in pieces]
    if len(pieces) == 1:
        return lambda text: found[0].fullmatch(text) is not None

    def test(text: str) -> bool:
        end = len(text) - sizes[-1]
        if end < sizes[0] or not found[0].match(text) or not found[-1].match(text, end):
            return False
        at = sizes[0]
        for piece in found[1:-1]:
            hit = piece.search(text, at, end)
            if hit is None:
                return False
            at = hit.end()
        return True

    return test
