"""The Elastic Common Schema beside a record's own fields, for search: its process, user, host and addresses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sekisho.telemetry.event import Ecs
from sekisho.telemetry.formats import journal, process, ulogd

# Where a Windows record has what ECS asks for, by channels' different names; the first that is there counts. The order
# is that of the fields in `Ecs`, behind those that every record has.
_DATA = {
    "user__name": ("User", "SubjectUserName", "TargetUserName", "AccountName"),
    "process__pid": ("ProcessId", "ProcessID", "NewProcessId"),
    "process__executable": ("Image", "NewProcessName", "ProcessName", "SourceImage", "Application"),
    "process__command_line": ("CommandLine", "ProcessCommandLine"),
    "process__parent__executable": ("ParentImage", "ParentProcessName"),
    "source__ip": ("SourceIp", "SourceAddress", "IpAddress"),
    "destination__ip": ("DestinationIp", "DestAddress"),
}
# A record without levels has in its own fields what else stands in the part for the system.
_FLAT = {
    "event__code": ("EventID",),
    "event__provider": ("SourceName",),
    "event__dataset": ("Channel",),
    "host__name": ("Hostname",),
    **_DATA,
}
NOTHING = "-"  # what Windows writes for "none"
KNOWN = frozenset(name for names in _FLAT.values() for name in names)
_OTHERS = {journal.MARK: journal.ecs, process.DERIVED: process.ecs, ulogd.MARK: ulogd.ecs}  # by a field of theirs
MARKS = (*_OTHERS, "msg", "program")  # keys that no Windows record of one level has


def of(record: dict[str, Any]) -> Ecs:
    """The ECS fields of a record: a Windows event in any of its shapes, an audit record, or a line of syslog."""
    if isinstance(winlog := record.get("winlog"), dict):
        system, data = winlog, _mapping(winlog.get("event_data"))
        return _windows(data, *(system.get(key) for key in ("event_id", "provider_name", "channel", "computer_name")))
    if isinstance(event := record.get("Event"), dict):
        system, data = _mapping(event.get("System")), _mapping(event.get("EventData"))
        provider = _mapping(_mapping(system.get("Provider")).get("#attributes")).get("Name")
        code = system.get("EventID")
        code = code.get("#text") if isinstance(code, dict) else code
        return _windows(data, code, provider, system.get("Channel"), system.get("Computer"))
    for mark, of_others in _OTHERS.items():
        if mark in record:
            return of_others(record)
    if isinstance(message := record.get("msg"), str) and message.startswith("audit("):
        return _audit(record)
    if "program" in record:
        return Ecs(
            event__provider=_text(record["program"]),
            event__dataset="syslog",
            host__name=_text(record.get("host")),
            process__pid=_text(record.get("pid")),
        )
    return Ecs(*_fields(record))


def _windows(data: dict[str, Any], *system: object) -> Ecs:
    return Ecs(*map(_text, system), *_fields(data)[len(system) :])


def _fields(data: dict[str, Any]) -> list[str | None]:
    fields: list[str | None] = [None] * len(_FLAT)
    for place, names in present(KNOWN.intersection(data)):
        fields[place] = first(data, names)
    return fields


def first(data: dict[str, Any], names: Iterable[str]) -> str | None:
    """The first of a record's values that says something, as text."""
    for name in names:
        if (found := _text(data[name])) is not None:
            return found
    return None


@lru_cache(maxsize=4096)
def present(keys: frozenset[str]) -> list[tuple[int, list[str]]]:
    """The places of ECS fields, and their names in a record of one level with these of the `KNOWN` keys."""
    found = [(place, [name for name in names if name in keys]) for place, names in enumerate(_FLAT.values())]
    return [(place, names) for place, names in found if names]


def _audit(record: dict[str, Any]) -> Ecs:
    command = _text(record.get("proctitle"))
    if record.get("type") == "EXECVE":
        words = [_text(record.get(f"a{number}")) for number in range(len(record))]
        command = " ".join(word for word in words if word is not None)
    return Ecs(
        event__code=_text(record.get("type")),
        event__provider="auditd",
        event__dataset="auditd",
        host__name=_text(record.get("node")),
        user__name=_text(record.get("acct")),
        process__pid=_text(record.get("pid")),
        process__executable=_text(record.get("exe")),
        process__command_line=command,
        source__ip=_text(record.get("addr")) if record.get("addr") != "?" else None,
    )


def _text(value: object) -> str | None:
    if value.__class__ is str:
        return value if value and value != NOTHING else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
