"""Which fields a condition needs: those without which none of its branches can be true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sekisho.detection.rules.rule import All, AnyOf, Exists, FieldRef, Item, Node, Not, Null

Has = Callable[[str], bool]
"""Whether a field occurs in any event."""


def fields(node: Node) -> Iterator[str]:
    """All fields that a condition asks for; the same may come twice."""
    match node:
        case Item():
            if node.field is not None:
                yield node.field
            yield from (one.field for one in node.matchers if isinstance(one, FieldRef))
        case Not():
            yield from fields(node.child)
        case All() | AnyOf():
            for child in node.children:
                yield from fields(child)


def lacking(node: Node, has: Has) -> frozenset[str]:
    """The fields for want of which a condition can never be true; none if it can be.

    A branch that asks for no value can be true without a field, and so can `not` of one that does.
    """
    match node:
        case Item():
            return _of_item(node, has)
        case Not():
            return _always(node.child, has)
        case All():
            return _every(lacking(one, has) for one in node.children)
        case AnyOf():
            return _none_of(lacking(one, has) for one in node.children)


def _always(node: Node, has: Has) -> frozenset[str]:
    """The fields for want of which a condition is always true; none if it can be false."""
    match node:
        case Item():
            absent = node.field is not None and not has(node.field)
            return frozenset({node.field or ""}) if absent and any(map(_without, node.matchers)) else frozenset()
        case Not():
            return lacking(node.child, has)
        case All():
            return _none_of(_always(one, has) for one in node.children)
        case AnyOf():
            return _every(_always(one, has) for one in node.children)


def _of_item(item: Item, has: Has) -> frozenset[str]:
    if item.field is None or any(map(_without, item.matchers)):
        return frozenset()
    if not has(item.field):
        return frozenset({item.field})
    return _none_of(
        frozenset({one.field} if isinstance(one, FieldRef) and not has(one.field) else ()) for one in item.matchers
    )


def _without(matcher: object) -> bool:
    """Whether it is true of a field that is not there."""
    return isinstance(matcher, Null) or (isinstance(matcher, Exists) and not matcher.value)


def _every(some: Iterable[frozenset[str]]) -> frozenset[str]:
    """What is lacking where all must hold."""
    return frozenset().union(*some)


def _none_of(some: Iterable[frozenset[str]]) -> frozenset[str]:
    """What is lacking where one suffices: nothing, if one lacks nothing."""
    found = list(some)
    return frozenset().union(*found) if all(found) else frozenset()
