"""Who an event is: the same event has the same id however often, and by whatever way, it arrives.

A record that has an identity of its own keeps it. Any other is known by where it stands: by the first octets of its
file, its offset in the decompressed stream, and what the line says. Content alone is never enough, for two identical
lines are two events; and the place alone is not either, for a file may be cut off and written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

Own = tuple[str, ...]


def own(record: Mapping[str, Any]) -> Own | None:
    """A record's own identity: of a Windows event log, or of a journal; None if it has none."""
    if winlog := _mapping(record, "winlog"):
        return _windows(
            winlog.get("computer_name"), winlog.get("channel"), winlog.get("record_id"), record.get("@timestamp")
        )
    if system := _mapping(_mapping(record, "Event"), "System"):
        created = _mapping(_mapping(system, "TimeCreated"), "#attributes")
        return _windows(
            system.get("Computer"), system.get("Channel"), system.get("EventRecordID"), created.get("SystemTime")
        )
    if "RecordNumber" in record:
        return _windows(
            record.get("Hostname"), record.get("Channel"), record.get("RecordNumber"), record.get("EventTime")
        )
    cursor = record.get("__CURSOR")
    return ("journal", cursor) if isinstance(cursor, str) and cursor else None


def of_own(identity: Own) -> bytes:
    """The id of a record that has an identity of its own."""
    return blake2b(orjson.dumps(identity), digest_size=16, person=b"own").digest()


def of_place(fingerprint: bytes, offset: int, line: bytes) -> bytes:
    """The id of a line that is known by where it stands; `fingerprint` is its file's."""
    digest = blake2b(fingerprint, digest_size=16, person=b"place")
    digest.update(offset.to_bytes(8, "big"))
    digest.update(line)
    return digest.digest()


def fingerprint(head: bytes) -> bytes:
    """How a file is known, by its first octets."""
    return blake2b(head, digest_size=16, person=b"file").digest()


def _windows(computer: object, channel: object, number: object, time: object) -> Own | None:
    # The time tells two records apart that got the same number, before and after the log was cleared.
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    if all(isinstance(one, str) and one for one in (computer, channel, number, time)):
        return ("windows", str(computer).casefold(), str(channel), str(number), str(time))
    return None


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}
