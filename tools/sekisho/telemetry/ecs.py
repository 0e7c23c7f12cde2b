"""The Elastic Common Schema beside a record's own fields, for search: its process, user, host and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.telemetry.event import Ecs

# Where a Windows record has what ECS asks for, by channels' different names; the first that is there counts.
_DATA = {
    "user__name": ("User", "SubjectUserName", "TargetUserName", "AccountName"),
    "process__pid": ("ProcessId", "ProcessID", "NewProcessId"),
    "process__executable": ("Image", "NewProcessName", "ProcessName", "SourceImage", "Application"),
    "process__command_line": ("CommandLine", "ProcessCommandLine"),
    "process__parent__executable": ("ParentImage", "ParentProcessName"),
    "source__ip": ("SourceIp", "SourceAddress", "IpAddress"),
    "destination__ip": ("DestinationIp", "DestAddress"),
}
_NOTHING = {"", "-"}  # what Windows writes for "none"


def of(record: Mapping[str, Any]) -> Ecs:
    """The ECS fields of a record in one of the shapes that Windows events come in: flat, Winlogbeat's, EVTX's."""
    if isinstance(winlog := record.get("winlog"), Mapping):
        data = _mapping(winlog.get("event_data"))
        code, provider = winlog.get("event_id"), winlog.get("provider_name")
        channel, computer = winlog.get("channel"), winlog.get("computer_name")
    elif isinstance(event := record.get("Event"), Mapping):
        system, data = _mapping(event.get("System")), _mapping(event.get("EventData"))
        code, provider = (
            system.get("EventID"),
            _mapping(_mapping(system.get("Provider")).get("#attributes")).get("Name"),
        )
        channel, computer = system.get("Channel"), system.get("Computer")
    else:
        data = record
        code, provider = record.get("EventID"), record.get("SourceName")
        channel, computer = record.get("Channel"), record.get("Hostname")
    found = {name: _first(data, keys) for name, keys in _DATA.items()}
    return Ecs(
        event__code=_text(_mapping(code).get("#text") if isinstance(code, Mapping) else code),
        event__provider=_text(provider),
        event__dataset=_text(channel),
        host__name=_text(computer),
        message=_text(record.get("Message", record.get("message"))),
        **found,
    )


def _first(data: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if (found := _text(data.get(key))) is not None:
            return found
    return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return None if value in _NOTHING else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
