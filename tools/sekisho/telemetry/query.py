"""What an analyst asks: `powershell host.name:pc-0001 -user.name:SYSTEM "a phrase"`; every term must hold.

`field:value` compares a field of the Elastic Common Schema, or of the source by its dotted path, without regard to
case; `*` and `?` stand for any text and any one character, and a value may be quoted. A word without a field may stand
anywhere in the source. A `-` in front says that it must not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sekisho.core.errors import BadInput
from sekisho.core.language import Both

# Neither a drive (`C:\...`) nor a scheme (`http://...`) is a field.
_FIELD = r"""(?P<field>(?![A-Za-z]:[\\/])[A-Za-z_@][\w@#.$-]*):(?!//)"""
_TERM = re.compile(rf"""(?P<no>-)?(?:{_FIELD})?(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?=\s|$)""")
_OTHERS = frozenset({"AND", "OR", "NOT"})  # what they mean elsewhere would be taken for granted: an empty answer lies


class Term(NamedTuple):
    """One condition. `field` is None for text anywhere; `wild` says that `*` and `?` in `value` stand for others."""

    field: str | None
    value: str
    negated: bool
    wild: bool


class Span(NamedTuple):
    """A range of time in microseconds since 1970 (UTC): `since` is in it, `until` is not; None is open."""

    since: int | None = None
    until: int | None = None


class Log(NamedTuple):
    """Windows events of these channels (in lower case) that have one of these numbers; of any, where none is named."""

    channels: frozenset[str] = frozenset()
    codes: frozenset[int] = frozenset()


class Search(NamedTuple):
    """What is asked of a store: every term must hold."""

    terms: Sequence[Term] = ()
    span: Span = Span()


def parse(text: str) -> list[Term]:
    """The terms of a query; none for an empty one, which everything matches.

    Raises:
        BadInput: with the place from which it cannot be read.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            Both("検索条件がUTF-8ではない", "the query is not in UTF-8"),
            Both("端末の文字コードをUTF-8にする", "set the terminal to UTF-8"),
        ) from error
    found: list[Term] = []
    position = 0
    while (rest := text[position:]).strip():
        position += len(rest) - len(rest.lstrip())
        term = _TERM.match(text, position)
        if term is None:
            raise BadInput(
                Both(
                    f"検索条件を読めない: {text[position:]}", f"the query cannot be read from here: {text[position:]}"
                ),
                Both(
                    '引用符を閉じる。例: host.name:pc-0001 "net user"', 'close the quotes: host.name:pc-0001 "net user"'
                ),
            )
        quoted = term["phrase"] is not None
        if term[0] in _OTHERS:
            raise BadInput(
                Both(f"{term[0]} は検索条件に使えない", f"a query has no {term[0]}"),
                Both(
                    f'条件はすべて満たすものを探す。除外は -語、文字列としての {term[0]} は "{term[0]}"',
                    f'every term must hold; -word says that it must not; the text itself is "{term[0]}"',
                ),
            )
        value = re.sub(r"\\(.)", r"\1", term["phrase"]) if quoted else term["word"]
        found.append(Term(term["field"], value, bool(term["no"]), not quoted and bool({"*", "?"} & set(value))))
        position = term.end()
    return found
