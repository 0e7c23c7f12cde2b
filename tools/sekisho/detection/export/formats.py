"""What rules can be exported as, and which of it was tried on a real server."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A format of a backend of pySigma's: what `sigma convert -t TARGET -f FORMAT` calls it, and what it cannot do.

    `tried`: the tests run every query against the engine's alerts. `two_valued`: `not` holds where a field is missing.
    `patterns`: the name of a field may have `*`.
    """

    target: str
    format: str
    suffix: str
    tried: bool = False
    two_valued: bool = True
    patterns: bool = True


FORMATS = {
    "lucene": Format("lucene", "default", "lucene", tried=True),
    "dsl": Format("lucene", "dsl_lucene", "ndjson", tried=True),
    "eql": Format("eql", "default", "eql", patterns=False),
    "esql": Format("esql", "default", "esql", two_valued=False, patterns=False),
}
UNTRIED = tuple(name for name, one in FORMATS.items() if not one.tried)
