"""How letters are compared without regard to case: once, for every part of the engine."""

from __future__ import annotations


def fold(text: str) -> str:
    """Python's `str.lower`, which is Unicode's full mapping: İ (U+0130) becomes two characters, K (U+212A) k, ß stays.

    A final Σ becomes ς or σ by its place in the word, which would make a part of a text differ from the same letters
    standing alone; so every sigma is the same here.
    """
    return text.lower().replace("ς", "σ")
