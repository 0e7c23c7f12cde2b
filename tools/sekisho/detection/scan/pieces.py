"""Pieces of text that a pattern or a regular expression cannot do without, as they stand in a record's JSON."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import orjson

from sekisho.detection.records.folding import fold
from sekisho.detection.rules.rule import Part, Regex, Wild
from sekisho.detection.scan.need import Figure, Need, Text, every, some

SHORTEST = 3  # octets: what is shorter stands nearly everywhere
PLAIN = {"ı": "i", "ſ": "s"}  # their upper case is ASCII: a record that has them is looked through with these instead
_ASCII, _OTHERS = re.compile(r"[\x00-\x7f]+"), re.compile(r"[^\x00-\x7f]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")  # as JSON writes it, and no more digits than a float has
_OF_A_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]*(?:e[-+]?[0-9]*)?")
# What Python's parser reads otherwise than RE2 does, or may; of classes within classes it warns.
_OTHERWISE = re.compile(r"\[[:=.]|(?<!\\)(?:\\\\)*\\[0-9pPQECz]")


def of_pattern(parts: Sequence[Part], *, whole: bool) -> Need:
    """What a value's text must have to be so.

    `whole`: the value is all of a text of the record, and not something that was found within one.
    """
    if len(parts) == 1 and isinstance(only := parts[0], str) and whole and _NUMBER.fullmatch(only):
        return Figure(only.encode())
    return every(
        _of_part(part, whole and place == 0, whole and place == len(parts) - 1)
        for place, part in enumerate(parts)
        if not isinstance(part, Wild)
    )


def of_number(number: float) -> Need:
    """What a number that equals this one, or a text that is written so, must have.

    It may be written with an exponent, which `Figure` does not see: whoever looks for it looks for those too.
    """
    return Figure(str(number).encode()) if isinstance(number, int) and abs(number) < 2**53 else True


def _of_part(part: str, first: bool, last: bool) -> Need:
    text = fold(part)
    # A number's text is that of its value, however the source wrote it.
    if _OF_A_NUMBER.fullmatch(text):
        return True
    found = list(map(_of_letter, _OTHERS.findall(text)))
    quoted = text not in "true" and text not in "false"  # these may stand there without quotes
    for piece in _ASCII.finditer(text):
        octets = orjson.dumps(piece[0])[1:-1]
        if quoted and first and piece.start() == 0:
            octets = b'"' + octets
        if quoted and last and piece.end() == len(text):
            octets += b'"'
        found.append(text_of(octets))
    return every(found)


def _of_letter(letter: str) -> Need:
    """A letter beyond ASCII, in each of the cases that it has."""
    if letter in PLAIN:
        return True
    cases = _cases().get(letter, frozenset())
    if any(len(fold(one)) > 1 for one in cases):
        return True
    return some(Text(one.encode(errors="surrogatepass")) for one in sorted(cases | {letter}))


@cache
def _cases() -> Mapping[str, frozenset[str]]:
    """By folded letter, the others beyond ASCII in whose folding it is."""
    found: dict[str, set[str]] = {}
    for one in map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x1F000))):
        if (folded := fold(one)) != one:
            for letter in folded:
                found.setdefault(letter, set()).add(one)
    return {letter: frozenset(some) for letter, some in found.items()}


def text_of(octets: bytes) -> Need:
    """These octets, unless they are so few that to look for them tells nothing."""
    return Text(octets.lower()) if len(octets) >= SHORTEST else True


def of_regex(regex: Regex) -> Need:
    """What a text must have for the expression to be found in it."""
    if _OTHERWISE.search(regex.pattern):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _of_sequence(parser.parse(regex.pattern))
    except (re.error, RecursionError, OverflowError, Warning):
        return True


def _of_sequence(tokens: Any) -> Need:  # noqa: ANN401 - the standard library's own
    found: list[Need] = []
    run: list[str] = []

    def end() -> None:
        found.append(_of_run("".join(run)))
        run.clear()

    for kind, what in tokens:
        if kind is ops.LITERAL:
            run.append(chr(what))
            continue
        end()
        if kind is ops.SUBPATTERN:
            found.append(_of_sequence(what[3]))
        elif kind in {ops.MAX_REPEAT, ops.MIN_REPEAT} and what[0] > 0:
            found.append(_of_sequence(what[2]))
        elif kind is ops.BRANCH:
            found.append(some(_of_sequence(one) for one in what[1]))
    end()
    return every(found)


def _of_run(text: str) -> Need:
    # The text of a number may not be what stands in the record.
    if _OF_A_NUMBER.fullmatch(fold(text)):
        return True
    return every(text_of(orjson.dumps(piece[0])[1:-1]) for piece in _ASCII.finditer(fold(text)))
