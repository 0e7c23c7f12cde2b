"""Who an event is: the same event has the same id however often, and by whatever way, it arrives.

A record that has an identity of its own keeps it. Any other is known by where it stands: by the first octets of its
file, its offset in the decompressed stream, and what the line says. Content alone is never enough, for two identical
lines are two events; and the place alone is not either, for a file may be cut off and written anew.
"""

from __future__ import annotations

from hashlib import sha256

import orjson

Own = tuple[str, ...]
# SHA-256, of which processors have an instruction. Each kind begins differently, so that none is taken for another.
_OWN, _PLACE, _FILE = sha256(b"own\0"), sha256(b"place\0"), sha256(b"file\0")
SIZE = 16  # octets of it that are an id


def of_own(identity: Own) -> bytes:
    """The id of a record that has an identity of its own."""
    digest = _OWN.copy()
    digest.update(orjson.dumps(identity))
    return digest.digest()[:SIZE]


def of_place(fingerprint: bytes, offset: int, line: bytes) -> bytes:
    """The id of a line that is known by where it stands; `fingerprint` is its file's."""
    digest = _PLACE.copy()
    digest.update(fingerprint + offset.to_bytes(8, "big"))
    digest.update(line)
    return digest.digest()[:SIZE]


def fingerprint(head: bytes) -> bytes:
    """How a file is known, by its first octets."""
    digest = _FILE.copy()
    digest.update(head)
    return digest.digest()[:SIZE]
