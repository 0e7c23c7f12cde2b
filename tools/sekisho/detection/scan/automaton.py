"""Many expressions looked for at once, in one pass over the text: by Hyperscan, where there is one for this machine.

An expression is one of octets, without groups; its letters are sought whatever the case. All else knows Hyperscan by
this module only. Without it nothing is looked for: every rule that is for an event is asked (`available`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

from sekisho.detection.scan.need import EventId, Figure, Leaf, Text

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no wheel for this machine
    hyperscan = None

Found = Callable[[int, int, int, int, Any], object]
"""Called with the number of the expression, 0, where it ends, 0, and what was given to `scan`."""
Scan = Callable[[bytes, Found, int, object], object]
"""Called with a text, what to call, 0, and what that is to be given."""

# A number that is written with an exponent and may equal any other; as a value, not within a text.
EXPONENT = rb"[:,\[]\s*-?[0-9]+(?:\.[0-9]+)?e"


def available() -> bool:
    """Whether there is one."""
    return hyperscan is not None


def version() -> str:
    """By what a kept automaton can be read again."""
    return f"hyperscan {hyperscan.__version__}" if hyperscan else ""


def literal(octets: bytes) -> bytes:
    """The expression for these octets."""
    return b"".join(b"\\x%02x" % octet for octet in octets)


def expression(leaf: Leaf) -> bytes:
    """The expression for a leaf.

    Raises:
        ValueError: it is an event's id, which `scanner` reads.
    """
    match leaf:
        case Text():
            return literal(leaf.octets)
        case Figure():
            return rb'[:\[,\s"]-?' + leaf.digits + rb"[^0-9]"
        case EventId():
            raise ValueError(leaf)


class Automaton:
    """Says which of its expressions a text has."""

    def __init__(self, database: Any) -> None:  # noqa: ANN401 - the library has no types
        self._database = database
        self.scan: Scan = cast("Scan", database.scan)

    @classmethod
    def of(cls, expressions: Sequence[bytes], everywhere: Collection[int] = ()) -> Automaton:
        """An automaton for these: each is found once a text, and those in `everywhere` at each of their ends."""
        once = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
        flags = [hyperscan.HS_FLAG_CASELESS if n in everywhere else once for n in range(len(expressions))]
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=list(expressions), ids=list(range(len(expressions))), flags=flags)
        return cls(database)

    @classmethod
    def read(cls, kept: bytes) -> Automaton | None:
        """The automaton that was kept; None if this is none, or not one for this machine."""
        try:
            database = hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        except hyperscan.error:
            return None
        return cls(database)

    def kept(self) -> bytes:
        """What `read` makes it again of."""
        return bytes(hyperscan.dumpb(self._database))
