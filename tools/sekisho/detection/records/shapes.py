"""In what shape a record came, and where its own fields stand in it.

Only what the source wrote is looked at. A shipper's envelope (Winlogbeat's agent, host and ECS fields) is not the
source's, and no rule sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from sekisho.telemetry.formats import journal, process, ulogd


class Family(Enum):
    """Kinds of records that rules tell apart."""

    WINDOWS = "windows"
    PROCESS = "process"  # the start of a process on Linux, told in one way
    AUDIT = "audit"  # a record of the Linux audit log
    LOG = "log"  # a line of syslog or a record of journald
    PACKET = "packet"  # a decision of a host's firewall
    OTHER = "other"  # any other JSON object


class Origin(NamedTuple):
    """Where an event was written; names in lower case. For syslog and journald `provider` is the program."""

    family: Family
    channel: str = ""
    provider: str = ""
    event_id: int | None = None


class Shape(NamedTuple):
    """A record's parts: `scopes` are searched in their order; `whole` is what keywords and paths are looked for in."""

    origin: Origin
    scopes: tuple[Mapping[str, Any], ...]
    whole: Mapping[str, Any]
    message: object = None


_NONE: dict[str, Any] = {}
_DIGITS = re.compile(r"[0-9]{1,9}")
# What Sigma calls the fields of an event's system part.
WINLOGBEAT = {
    "EventID": "event_id",
    "Channel": "channel",
    "Provider_Name": "provider_name",
    "ProviderName": "provider_name",
    "Computer": "computer_name",
    "ComputerName": "computer_name",
    "EventRecordID": "record_id",
    "Level": "level",
    "Task": "task",
    "Opcode": "opcode",
    "Keywords": "keywords",
    "Version": "version",
}
FLAT = {
    "Provider_Name": "SourceName",
    "Computer": "Hostname",
    "ComputerName": "Hostname",
    "EventRecordID": "RecordNumber",
}
# What rules call the fields of a packet that the firewall's log calls otherwise.
PACKET = {"dst_ip": "dest_ip", "dst_port": "dest_port"}
_SUDO = re.compile(r"(?:^|[:;] )([A-Z]+)=(.*?)(?= ; |$)", re.DOTALL)
_PAIRS = re.compile(r'(?<![\w-])(\w[\w-]*)=(?:"([^"]*)"|([^\s"]*))')
_PARAMETER = re.compile(r"param[0-9]+")


def of(record: Mapping[str, Any]) -> Shape:  # noqa: PLR0911 - a line for each shape
    """The shape of a record."""
    if isinstance(winlog := record.get("winlog"), dict):
        return _winlogbeat(record, winlog)
    if isinstance(event := record.get("Event"), dict) and isinstance(event.get("System"), dict):
        return _evtx(event, event["System"])
    if "EventID" in record and isinstance(record.get("Channel"), str):
        return _flat(record)
    if process.DERIVED in record:
        own = {key: value for key, value in record.items() if key != process.DERIVED}
        return Shape(Origin(Family.PROCESS, "", _lower(own.get("Provider"))), (own,), own)
    if ulogd.MARK in record:
        known = {name: record[key] for name, key in PACKET.items() if record.get(key) is not None}
        return Shape(Origin(Family.PACKET), (record, known), record)
    if journal.MARK in record:
        return _journal(record)
    if isinstance(message := record.get("msg"), str) and message.startswith("audit("):
        return Shape(Origin(Family.AUDIT, "", _lower(record.get("type"))), (record,), record)
    if "program" in record:
        program, text = _lower(record["program"]), record.get("message")
        return Shape(Origin(Family.LOG, "", program), (record, _told(program, text)), record, text)
    return Shape(Origin(Family.OTHER), (record,), record, record.get("message"))


def _winlogbeat(record: Mapping[str, Any], winlog: Mapping[str, Any]) -> Shape:
    data = _mapping(winlog.get("event_data"))
    system = {name: winlog[key] for name, key in WINLOGBEAT.items() if key in winlog}
    if unnamed := [value for key, value in data.items() if _PARAMETER.fullmatch(key)]:
        system["Data"] = unnamed
    own: dict[str, Any] = {"winlog": winlog}
    if "message" in record:
        own["message"] = system["Message"] = record["message"]
    origin = _windows(winlog.get("channel"), winlog.get("provider_name"), winlog.get("event_id"))
    return Shape(origin, (data, *_user(winlog.get("user_data")), system, winlog), own, record.get("message"))


def _evtx(event: Mapping[str, Any], given: Mapping[str, Any]) -> Shape:
    system = {key: _plain(value) for key, value in given.items()}
    provider = _mapping(_mapping(given.get("Provider")).get("#attributes")).get("Name")
    user = _mapping(_mapping(given.get("Security")).get("#attributes")).get("UserID")
    told = {"Provider_Name": provider, "ComputerName": given.get("Computer"), "UserID": user, "Security_UserID": user}
    system |= {name: value for name, value in told.items() if value is not None}
    origin = _windows(given.get("Channel"), provider, _plain(given.get("EventID")))
    data = event.get("EventData")
    scopes = (_mapping(data), *_user(event.get("UserData")), system)
    return Shape(origin, scopes, event)


def _flat(record: Mapping[str, Any]) -> Shape:
    names = {name: record[key] for name, key in FLAT.items() if key in record}
    origin = _windows(record["Channel"], record.get("SourceName", record.get("Provider_Name")), record["EventID"])
    return Shape(origin, (record, names), record, record.get("Message"))


def _journal(record: Mapping[str, Any]) -> Shape:
    program = _lower(record.get("SYSLOG_IDENTIFIER")) or _lower(record.get("_COMM"))
    message = record.get("MESSAGE")
    own = record
    if isinstance(message, list):  # journald writes octets that are no text as numbers
        message = journal.text(message)
        own = {**record, "MESSAGE": message}
    return Shape(Origin(Family.LOG, "", program), (own, _told(program, message)), own, message)


def _told(program: str, message: object) -> Mapping[str, Any]:
    """Fields that stand within a message, as sudo and Fortinet's devices write them."""
    if not isinstance(message, str):
        return _NONE
    if program == "sudo":
        return {"message": message, **dict(_SUDO.findall(message))}
    if "devname=" in message:
        return {"message": message} | {key: quoted or bare for key, quoted, bare in _PAIRS.findall(message)}
    return {"message": message}


_origins: dict[tuple[object, ...], Origin] = {}  # of Windows; there are few, and each is asked for often
_MOST, _LONGEST = 100_000, 200  # a source may make up channels for ever, and as long as it likes


def _windows(channel: object, provider: object, code: object) -> Origin:
    key = channel, provider, code, code.__class__  # of which True and 1 are two
    try:
        return _origins[key]
    except KeyError:
        found = _windows_anew(channel, provider, code)
        if len(_origins) < _MOST and all(len(one) < _LONGEST for one in key if isinstance(one, str)):
            _origins[key] = found
        return found
    except TypeError:  # a list or a map, where none belongs
        return _windows_anew(channel, provider, code)


def _windows_anew(channel: object, provider: object, code: object) -> Origin:
    number = code if type(code) is int else int(code) if isinstance(code, str) and _DIGITS.fullmatch(code) else None
    return Origin(Family.WINDOWS, _lower(channel), _lower(provider), number)


def _user(data: object) -> list[Mapping[str, Any]]:
    """The parts of `UserData`, which has its fields one level down."""
    outer = _mapping(data)
    inner = [value for value in outer.values() if isinstance(value, dict)]
    return [*inner, outer] if outer else []


def _plain(value: object) -> object:
    return value["#text"] if isinstance(value, dict) and "#text" in value else value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NONE


def _lower(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""
