"""A source's fields as Elasticsearch takes them: flat, by dotted names.

What Lucene would not find as our own search finds it is told apart: the names of fields whose JSON text is more than
its values (lists, empty objects), and of numbers that can be written in several ways. `ALL` stands for the whole event.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from typing import Any

ALL = "*"
# Names that the server keeps for itself; `_doc_count` it takes, and only as a number.
_METADATA = frozenset(
    {
        "_id", "_index", "_source", "_routing", "_ignored", "_ignored_source", "_field_names", "_seq_no", "_type",
        "_primary_term", "_version", "_tier", "_nested_path", "_doc_count", "_data_stream_timestamp", "_size",
        "_feature", "_tsid", "_ts_routing_hash", "_inference_fields",
    }
)  # fmt: skip
OURS = frozenset(
    {
        "@timestamp", "event.id", "event.ingested", "event.original", "log.file.path", "log.offset",
        "sekisho.apart", "sekisho.arrived", "sekisho.ecs", "sekisho.raw", "sekisho.time",
    }
)  # fmt: skip
_LONGEST = 512  # characters of a name
_DEEPEST = 20
_SPACED = (b" :", b"\t:", b"\n:", b"\r:")
_REMEMBERED = 32 * 1024  # octets of a source whose names are: of such as a peer may make up, all fit into memory
_SIMPLE = frozenset({str, int, bool})


def takes(name: str) -> bool:
    """Whether the server takes a field of the source by this name."""
    return len(name) <= _LONGEST and name not in _METADATA and name not in OURS and not name.isspace() and name != ""


@lru_cache(maxsize=1024)
def _not_taken(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not takes(name)]


class Flat:
    """One source's fields: `values` by dotted names, and the names of what is told `apart`."""

    def __init__(self, record: dict[str, Any], source: bytes) -> None:
        self.values: dict[str, Any] = {}
        self.apart: set[str] = set()
        self._pairs = 0
        if len(source) <= _REMEMBERED and _SIMPLE.issuperset(map(type, record.values())):  # by far the most
            self.values, self._pairs = record.copy(), len(record)
            for name in _not_taken(tuple(record)):
                del self.values[name]
        else:
            self._object("", record, 0)
        # Our own search reads the first of two equal names, and sees the text before a NUL.
        if b"\\u0000" in source or self._repeats(source):
            self.apart.add(ALL)
        if b"-0" in source and 0 in self.values.values():
            self.apart.update(name for name, value in self.values.items() if value == 0)

    def _object(self, prefix: str, found: dict[str, Any], depth: int) -> None:
        self._pairs += len(found)
        values, plain = self.values, False
        for key, value in found.items():
            name = prefix + key
            if value.__class__ not in _SIMPLE:
                self._other(name, value, depth)
            elif takes(name):
                plain = True
                if name in values:
                    self._add(name, value)
                else:
                    values[name] = value
        if not plain and prefix:  # nothing that the server knows tells that there is an object of this name
            self.apart.add(prefix[:-1])

    def _other(self, name: str, value: object, depth: int) -> None:
        """What is not simply a value: an object, a list, a broken number, or nothing."""
        if value is None:
            return
        if isinstance(value, float):
            self.apart.add(name)
            if takes(name):
                self._add(name, value)
        elif depth >= _DEEPEST:
            self.apart.add(ALL)
        elif isinstance(value, dict):
            self._object(f"{name}.", value, depth + 1)
        elif isinstance(value, list):
            self.apart.add(name)
            for one in value:
                if one.__class__ not in _SIMPLE:
                    self._other(name, one, depth + 1)
                elif takes(name):
                    self._add(name, one)

    def _add(self, name: str, value: object) -> None:
        before = self.values.get(name)
        if before is None:
            self.values[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            self.values[name] = [before, value]

    def _repeats(self, source: bytes) -> bool:
        """Whether an object of the source has a name twice; nearly always a count of colons answers it."""
        if source.count(b'":') == self._pairs and not any(one in source for one in _SPACED):
            return False
        if self._pairs == 0 or ALL in self.apart:
            return False
        try:
            return _with_repetition(source)
        except RecursionError:
            return True


def _with_repetition(source: bytes) -> bool:
    repeated = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal repeated
        repeated = repeated or any(count > 1 for count in Counter(key for key, _ in pairs).values())

    json.loads(source, object_pairs_hook=look)
    return repeated
