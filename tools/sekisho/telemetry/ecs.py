"""The Elastic Common Schema beside a record's own fields, for search: its process, user, host and addresses."""

from __future__ import annotations

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


def of(record: dict[str, Any]) -> Ecs:
    """The ECS fields of a record: a Windows event in any of its shapes, an audit record, or a line of syslog."""
    if isinstance(winlog := record.get("winlog"), dict):
        system, data = winlog, _mapping(winlog.get("event_data"))
        return _windows(
            record, data, *(system.get(key) for key in ("event_id", "provider_name", "channel", "computer_name"))
        )
    if isinstance(event := record.get("Event"), dict):
        system, data = _mapping(event.get("System")), _mapping(event.get("EventData"))
        provider = _mapping(_mapping(system.get("Provider")).get("#attributes")).get("Name")
        code = system.get("EventID")
        code = code.get("#text") if isinstance(code, dict) else code
        return _windows(record, data, code, provider, system.get("Channel"), system.get("Computer"))
    if str(record.get("msg", "")).startswith("audit("):
        return _audit(record)
    if "program" in record:
        return Ecs(
            event__provider=_text(record["program"]),
            event__dataset="syslog",
            host__name=_text(record.get("host")),
            process__pid=_text(record.get("pid")),
            message=_text(record.get("message")),
        )
    return _windows(record, record, *(record.get(key) for key in ("EventID", "SourceName", "Channel", "Hostname")))


def _windows(
    record: dict[str, Any],
    data: dict[str, Any],
    code: object,
    provider: object,
    channel: object,
    computer: object,
) -> Ecs:
    return Ecs(
        event__code=_text(code),
        event__provider=_text(provider),
        event__dataset=_text(channel),
        host__name=_text(computer),
        message=_text(record.get("Message", record.get("message"))),
        **{name: _first(data, keys) for name, keys in _DATA.items()},
    )


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


def _first(data: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    # Asked seven times an event: what is there is nearly always a string.
    get = data.get
    for key in keys:
        value = get(key)
        if value is not None and (found := _text(value)) is not None:
            return found
    return None


def _text(value: object) -> str | None:
    if value.__class__ is str:
        return None if value in _NOTHING else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
