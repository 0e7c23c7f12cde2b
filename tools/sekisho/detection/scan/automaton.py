"""Many expressions looked for at once, in one pass over the text: by Hyperscan, where there is one for this machine.

An expression is one of octets, without groups; its letters are sought whatever the case. All else knows Hyperscan by
this module only. Without it nothing is looked for: every rule that is for an event is asked (`available`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from sekisho.detection.scan.need import Channel, EventId, Figure, Key, Leaf, Text

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no wheel for this machine
    hyperscan = None

Found = Callable[[int, int, int, int, Any], object]
"""Called with the number of the expression, 0, where it ends, 0, and what was given to `scan`."""
Scan = Callable[[bytes, Found, int, object], object]
"""Called with a text, what to call, 0, and what that is to be given."""

# With fewer than about 50 literals Hyperscan looks in another way (Teddy, not FDR), which takes twice as long.
_FEWEST = 64
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
        ValueError: `kinds` reads it.
    """
    match leaf:
        case Text():
            return literal(leaf.octets)
        case Key():
            return b'[".]' + literal(leaf.octets) + rb'"\s*:'
        case Channel():
            return rb'channel"\s*:\s*"' + literal(leaf.octets) + b'"'
        case Figure():
            return rb'[:\[,\s"]-?' + leaf.digits + rb"[^0-9]"
        case EventId() | Channel():
            raise ValueError(leaf)


class Expression(NamedTuple):
    """What is looked for. It is told once a text, or wherever it ends if it is `everywhere`."""

    pattern: bytes
    everywhere: bool = False


class Automaton:
    """Says which of its expressions a text has."""

    def __init__(self, database: Any) -> None:  # noqa: ANN401 - the library has no types
        self._database = database
        self.scan: Scan = cast("Scan", database.scan)

    @classmethod
    def of(cls, expressions: Sequence[Expression]) -> Automaton:
        """An automaton for these."""
        filling = [Expression(literal(b"\0%d\0" % number)) for number in range(_FEWEST - len(expressions))]
        expressions = [*expressions, *filling]  # which no text of JSON has
        flags = [
            hyperscan.HS_FLAG_CASELESS | (0 if one.everywhere else hyperscan.HS_FLAG_SINGLEMATCH) for one in expressions
        ]
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=[one.pattern for one in expressions], ids=list(range(len(expressions))), flags=flags
        )
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
