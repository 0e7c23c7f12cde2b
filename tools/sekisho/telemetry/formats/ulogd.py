"""Decisions of a host's firewall, as ulogd2 writes them in JSON: one object a packet, from NFLOG."""

from __future__ import annotations

from typing import Any

import orjson

from sekisho.telemetry.event import Ecs

MARK = "oob.prefix"


def inside(message: object) -> dict[str, Any] | None:
    """The packet that a message tells of; None if it tells of none."""
    if not isinstance(message, str) or not message.startswith("{"):
        return None
    try:
        found = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and MARK in found else None


def ecs(record: dict[str, Any]) -> Ecs:
    """The ECS fields of a packet; `event.action` is what the firewall's rule calls it."""
    prefix = record.get(MARK)
    return Ecs(
        event__provider="ulogd",
        event__dataset="ulogd",
        event__action=prefix.strip(" :") or None if isinstance(prefix, str) else None,
        source__ip=_text(record.get("src_ip")),
        source__port=_text(record.get("src_port")),
        destination__ip=_text(record.get("dest_ip")),
        destination__port=_text(record.get("dest_port")),
    )


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
