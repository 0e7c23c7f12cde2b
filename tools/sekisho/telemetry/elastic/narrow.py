"""What Lucene is asked: documents of which some may not match, but never fewer than do.

Where its reading of a value could differ from our own search's, it is not asked: a letter beyond ASCII that has a large
and a small form stands for any letter; what `sekisho.apart` or `_ignored` names is always let through; words without a
field, and what must not hold, narrow nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sekisho.telemetry.conditions import MESSAGES
from sekisho.telemetry.elastic import fields
from sekisho.telemetry.elastic.template import LONGEST
from sekisho.telemetry.query import Log, Search, Span, Term

# Where Windows records of each shape say their channel and their number.
_CHANNELS = ("winlog.channel", "Event.System.Channel", "Channel")
_CODES = ("winlog.event_id", "Event.System.EventID", "Event.System.EventID.#text", "EventID")
_STARS = 12  # in one pattern: more make an automaton too large
Query = dict[str, Any]


def names(asked: Search) -> list[str]:
    """The fields that the terms name, as the mappings are to be asked for them and for what lies below them."""
    found = {name for term in asked.terms if _narrows(term) for name in _names(term)}
    return sorted({*found, *(f"{name}.*" for name in found)})


def query(asked: Search, mapped: Collection[str]) -> Query:
    """The query; `mapped` are those fields of the indices that `names` asked for."""
    filters = [_span(asked.span)] if asked.span != Span() else []
    filters += [_term(term) for term in asked.terms if _narrows(term) and not _above(term, mapped)]
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def every(*some: Query) -> Query:
    """What all of these let through."""
    return {"bool": {"filter": list(some)}}


def of_logs(logs: Iterable[Log]) -> Query:
    """Windows records of these logs, and any of which the server does not know for sure that it is none."""
    by_channels: dict[frozenset[str], set[int] | None] = {}
    for log in logs:
        known = by_channels.setdefault(log.channels, set())
        by_channels[log.channels] = known | log.codes if known is not None and log.codes else None
    names = [*_CHANNELS, *_CODES]
    ways: list[Query] = [{"terms": {"sekisho.apart": [*names, fields.ALL]}}, {"terms": {"_ignored": names}}]
    for channels, codes in by_channels.items():
        filters = [_any([{"terms": {name: sorted(channels)}} for name in _CHANNELS])] if channels else []
        if codes is not None:
            # A number that is written as text may begin with zeros.
            numbers = [{"terms": {name: sorted(map(str, codes))}} for name in _CODES]
            filters.append(_any([*numbers, *({"prefix": {name: "0"}} for name in _CODES)]))
        ways.append(every(*filters) if filters else {"match_all": {}})
    return _any(ways)


def exact(asked: Search) -> bool:
    """Whether Lucene alone answers it."""
    return not asked.terms


def _narrows(term: Term) -> bool:
    return (
        term.field is not None
        and not term.negated
        and all(map(fields.takes, _names(term)))
        and term.value.count("*") <= _STARS
        and len(term.value) <= LONGEST
    )


def _above(term: Term, mapped: Collection[str]) -> bool:
    """Whether other fields lie below the term's: its text is then all of theirs."""
    return any(other.startswith(f"{name}.") for name in _names(term) for other in mapped)


def _names(term: Term) -> tuple[str, ...]:
    return MESSAGES if term.field == "message" else (str(term.field),)


def _span(span: Span) -> Query:
    bounds = {"gte": span.since, "lt": span.until}
    return {"range": {"sekisho.time": {sign: bound for sign, bound in bounds.items() if bound is not None}}}


def _term(term: Term) -> Query:
    ways: list[Query] = [{"terms": {"sekisho.apart": [*_names(term), fields.ALL]}}]
    for name in _names(term):
        ways += [{"term": {"_ignored": name}}, {"prefix": {"_ignored": f"{name}."}}]
        if term.wild or not all(map(_sure, term.value)):
            ways.append({"wildcard": {name: {"value": _pattern(term), "case_insensitive": True}}})
        else:
            ways.append({"term": {name: term.value}})
    return _any(ways)


def _any(ways: Sequence[Query]) -> Query:
    return {"bool": {"should": list(ways), "minimum_should_match": 1}}


def _pattern(term: Term) -> str:
    letters = []
    for one in term.value:
        if not _sure(one):
            letters.append("?")
        elif one == "\\" or (one in "*?" and not term.wild):
            letters.append(f"\\{one}")
        else:
            letters.append(one)
    return "".join(letters)


def _sure(one: str) -> bool:
    """Whether a letter is folded in the same way by every version of Unicode: it is ASCII, or has no case."""
    kind = unicodedata.category(one)
    caseless = kind[0] in "LPSZ" and kind not in {"Lu", "Ll", "Lt", "Lm"} and one.lower() == one == one.upper()
    return one.isascii() or caseless or kind == "Nd"
