"""How large a condition is when it is written out, for in that each selection stands as often as it is named."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Item, Node, Not, written

_LARGEST = 4 * 1024 * 1024  # octets


def measured(condition: Node) -> Raw:
    """A condition as JSON.

    Raises:
        CannotUse: that would be so large that somebody wants to do harm by it.
    """
    if _size(condition, {}) > _LARGEST:
        raise CannotUse("conditionが大きすぎる", "the condition is too large")
    return written(condition)


def _size(node: Node, known: dict[int, int]) -> int:
    if id(node) not in known:
        match node:
            case Item():
                known[id(node)] = len(msgspec.json.encode(node))
            case Not():
                known[id(node)] = _size(node.child, known)
            case _:
                known[id(node)] = sum(_size(one, known) for one in node.children)
    return known[id(node)]
