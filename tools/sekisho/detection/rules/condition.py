"""The `condition` of a rule: `selection and not 1 of filter_*`. `not` binds first, then `and`, then `or`.

Written here, for a parser that tries alternatives takes exponential time over nested brackets, and rules come from
outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import All, AnyOf, Node, Not

_TOKEN = re.compile(r"\s*(?:(?P<bracket>[()])|(?P<word>[\w*?-]+)|(?P<other>\S))")
_DEEPEST = 100
_LONGEST = 100_000  # characters
_AND, _OR, _NOT, _OF = "and", "or", "not", "of"


def parse(text: str, selections: Mapping[str, Node]) -> Node:
    """The condition as a tree, with the selections in their places.

    Raises:
        CannotUse: it is no condition, names a selection that is not there, or is nested too deep.
    """
    if len(text) > _LONGEST:
        raise CannotUse("条件式が長すぎる", "the condition is too long")
    return _Reader(_tokens(text), selections).whole()


def _tokens(text: str) -> list[str]:
    found = []
    for token in _TOKEN.finditer(text):
        if token["other"]:
            if token["other"] == "|":
                raise CannotUse(
                    "集計(`|`)は廃止された書き方。correlationで書く",
                    "aggregations (`|`) are no longer Sigma: write a correlation",
                )
            raise CannotUse(f"条件式に '{token['other']}' がある", f"the condition has {token['other']!r}")
        found.append(token["bracket"] or token["word"])
    return found


class _Reader:
    def __init__(self, tokens: Sequence[str], selections: Mapping[str, Node]) -> None:
        self._tokens, self._at, self._selections = tokens, 0, selections

    def whole(self) -> Node:
        found = self._any(0)
        if self._at < len(self._tokens):
            raise self._unexpected()
        return found

    def _any(self, depth: int) -> Node:
        found = [self._all(depth)]
        while self._take(_OR):
            found.append(self._all(depth))
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def _all(self, depth: int) -> Node:
        found = [self._one(depth)]
        while self._take(_AND):
            found.append(self._one(depth))
        return found[0] if len(found) == 1 else All(tuple(found))

    def _one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise CannotUse("条件式の入れ子が深すぎる", "the condition is nested too deep")
        if self._take(_NOT):
            return Not(self._one(depth + 1))
        if self._take("("):
            found = self._any(depth + 1)
            if not self._take(")"):
                raise self._unexpected()
            return found
        word = self._word()
        if word in {"1", "any", "all"} and self._take(_OF):
            return self._several(word, self._word())
        return self._selection(word)

    def _several(self, how: str, pattern: str) -> Node:
        wanted = re.compile(".*" if pattern == "them" else ".*".join(map(re.escape, pattern.split("*"))))
        # A name that begins with `_` is meant for being asked for by its name only.
        names = [
            name
            for name in self._selections
            if wanted.fullmatch(name) and (pattern.startswith("_") or not name.startswith("_"))
        ]
        if not names:
            raise CannotUse(f"'{pattern}' に当たる選択がない", f"no selection is called {pattern!r}")
        found = tuple(self._selections[name] for name in names)
        return found[0] if len(found) == 1 else All(found) if how == "all" else AnyOf(found)

    def _selection(self, name: str) -> Node:
        if name not in self._selections:
            raise CannotUse(f"選択 '{name}' がない", f"there is no selection {name!r}")
        return self._selections[name]

    def _word(self) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at].lower() in {_AND, _OR, _NOT, _OF, "(", ")"}:
            raise self._unexpected()
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, word: str) -> bool:
        there = self._at < len(self._tokens) and self._tokens[self._at].lower() == word
        self._at += there
        return there

    def _unexpected(self) -> CannotUse:
        if self._at >= len(self._tokens):
            return CannotUse("条件式が途中で終わっている", "the condition ends too early")
        word = self._tokens[self._at]
        return CannotUse(f"条件式の '{word}' は、ここには来ない", f"the condition does not fit together at {word!r}")
