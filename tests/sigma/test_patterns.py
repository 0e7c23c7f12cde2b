"""Many plain values of an item, tried together, are what each of them is alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.detection.matching.patterns import patterns
from sekisho.detection.rules.rule import Part, Wild

# So few letters, and so many values, that some are the end or the beginning of others.
PIECES = st.lists(st.text("ab\\", min_size=1, max_size=4), min_size=1, max_size=30)


@settings(max_examples=500)
@given(PIECES, st.lists(st.text("ab\\", max_size=6), min_size=1, max_size=20))
def test_many_at_once(pieces: list[str], texts: list[str]) -> None:
    ways: list[tuple[tuple[Part, ...], ...]] = [
        tuple((one, Wild.MANY) for one in pieces),
        tuple((Wild.MANY, one) for one in pieces),
        tuple((Wild.MANY, one, Wild.MANY) for one in pieces),
        tuple((one,) for one in pieces),
    ]
    begins, ends, within, whole = map(patterns, ways)
    for text in texts:
        assert begins(text) is any(text.startswith(one) for one in pieces)
        assert ends(text) is any(text.endswith(one) for one in pieces)
        assert within(text) is any(one in text for one in pieces)
        assert whole(text) is (text in pieces)
