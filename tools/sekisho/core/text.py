"""Text as it is typed in Japan, made comparable."""

from __future__ import annotations

import unicodedata

# Marks that people type for a hyphen and that NFKC leaves as they are: hyphens, dashes, the minus sign and the long
# vowel mark (whose half-width form NFKC turns into the full-width one).
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–—―−ー"), "-")


def plain(text: str) -> str:
    """Codes such as asset numbers: full-width letters, digits and hyphens as ASCII, without space around them."""
    return unicodedata.normalize("NFKC", text).translate(_HYPHENS).strip()


def folded(text: str) -> str:
    """Words such as headings, for comparing: width, case and spaces make no difference; the long vowel mark stays."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
