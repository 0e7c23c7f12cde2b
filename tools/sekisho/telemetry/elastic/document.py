"""An event as a document, and a document as the event that it was."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson

from sekisho.telemetry.elastic import template
from sekisho.telemetry.elastic.fields import ALL, Flat
from sekisho.telemetry.event import FIELDS, Ecs, Event, Reject, moment, partition

# To read one back.
WANTED = ("event.original", "log.file.path", "log.offset", "sekisho.arrived", "sekisho.ecs", "sekisho.time", *FIELDS)


class Item(NamedTuple):
    """What is sent for one event or reject: the index that it goes to, its id, the lines of the request, and itself."""

    target: str
    id: str
    lines: bytes
    what: Event | Reject


def of_event(event: Event, arrived: str) -> Item:
    """The document of an event that arrived at a time (RFC 3339)."""
    key = event.id.hex()
    index = template.index(partition(event.time))
    return Item(index, key, _lines(index, key, _fields(event, key, arrived)), event)


def of_reject(reject: Reject, arrived: str) -> Item:
    """The document of what was set aside; `sekisho.raw` is what stood there, to the octet."""
    key = reject.id.hex()
    found = {
        "@timestamp": arrived,
        "event.id": key,
        "event.ingested": arrived,
        "event.original": reject.raw.decode(errors="replace"),
        "error.message": reject.why,
        "log.file.path": reject.file,
        "log.offset": reject.offset,
        "sekisho.raw": base64.b64encode(reject.raw).decode(),
    }
    return Item(template.REJECTED, key, _lines(template.REJECTED, key, found), reject)


def event(hit: dict[str, Any]) -> Event:
    """The event of a hit that was asked for the fields `WANTED`."""
    found = hit["_source"]
    values = found.get("sekisho.ecs")
    ecs = Ecs(*orjson.loads(values)) if values else Ecs(*map(found.get, FIELDS))
    source = found["event.original"].encode()
    time, arrived = found.get("sekisho.time"), found.get("sekisho.arrived")
    return Event(bytes.fromhex(hit["_id"]), time, source, found["log.file.path"], found["log.offset"], ecs, arrived)


def _fields(event: Event, key: str, arrived: str) -> dict[str, Any]:
    flat = Flat(orjson.loads(event.source), event.source)
    found, apart, differs = flat.values, flat.apart, False
    for name, value in zip(FIELDS, event.ecs, strict=True):
        if name in found:  # the source's own value stays, and ours is kept for our own search
            if found[name] != value:
                differs = True
                apart.add(name)
        elif value is not None:
            found[name] = value
    if differs:
        found["sekisho.ecs"] = orjson.dumps(tuple(event.ecs)).decode()
    if apart:
        found["sekisho.apart"] = [ALL] if ALL in apart else sorted(name for name in apart if len(name) <= 512)
    if event.arrived is not None:
        found["sekisho.arrived"] = event.arrived
    if event.time is not None:
        found["sekisho.time"] = event.time
        try:
            found["@timestamp"] = moment(event.time).isoformat()
        except OverflowError:  # no time that anyone could read
            found.pop("@timestamp", None)
    found["event.id"] = key
    found["event.ingested"] = arrived
    found["event.original"] = event.source.decode()
    found["log.file.path"] = event.file
    found["log.offset"] = event.offset
    return found


def _lines(index: str, key: str, found: dict[str, Any]) -> bytes:
    return b'{"create":{"_index":"%s","_id":"%s"}}\n%s\n' % (index.encode(), key.encode(), orjson.dumps(found))
