"""The terms of a query as conditions in SQL over a table of events: what every store decides by, so that all agree.

The table has the columns of `COLUMNS`; `source` is the record's JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sekisho.telemetry.event import FIELDS
from sekisho.telemetry.query import Search, Term

COLUMNS = ("id", "time", "source", "file", "offset", "arrived", *FIELDS)
MESSAGES = ("message", "Message")  # a message is not kept a second time: it is the source's own


def where(asked: Search) -> tuple[str, list[object]]:
    """The clause, empty when everything matches, and the values for it."""
    conditions: list[str] = []
    values: list[object] = []
    for bound, sign in ((asked.span.since, ">="), (asked.span.until, "<")):
        if bound is not None:
            conditions.append(f"time {sign} ?")
            values.append(bound)
    for term in asked.terms:
        condition, some = _condition(term)
        conditions.append(f"NOT coalesce({condition}, false)" if term.negated else condition)
        values += some
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values


def columns() -> str:
    """All columns, as a statement names them."""
    return ", ".join(map(_quoted, COLUMNS))


def _condition(term: Term) -> tuple[str, list[object]]:
    if term.field is None:
        # The source is kept as it came: its JSON may have written the text in another way.
        ways = {term.value, _json(term.value), _json(term.value, ascii_only=True)}
        patterns: list[object] = [f"%{_like(way, wild=term.wild)}%" for way in sorted(ways)]
        return "(" + " OR ".join(["source ILIKE ? ESCAPE '\\'"] * len(patterns)) + ")", patterns
    pattern = _like(term.value, wild=term.wild)
    if term.field in FIELDS:
        return f"{_quoted(term.field)} ILIKE ? ESCAPE '\\'", [pattern]
    paths = [_path([name]) for name in MESSAGES]
    if term.field != "message":
        keys = term.field.split(".")
        paths = [_path(keys if all(keys) else [term.field]), _path([term.field])]  # no path leads through an empty name
    return "coalesce(json_extract_string(source, ?), json_extract_string(source, ?)) ILIKE ? ESCAPE '\\'", [
        *paths,
        pattern,
    ]


def _like(text: str, *, wild: bool) -> str:
    escaped = "".join(f"\\{one}" if one in "\\%_" else one for one in text)
    return escaped.replace("*", "%").replace("?", "_") if wild else escaped


def _json(text: str, *, ascii_only: bool = False) -> str:
    """The text as JSON writes it between quotes: as it is, or with its other letters in hexadecimal."""
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _path(keys: Sequence[str]) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)


def _quoted(name: str) -> str:
    return f'"{name}"'
