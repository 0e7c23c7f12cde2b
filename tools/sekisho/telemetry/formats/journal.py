"""Records of journald, as `journalctl -o json` writes them: each is known by its cursor.

Fields that begin with `_` are journald's own and can be believed; SYSLOG_IDENTIFIER and MESSAGE are what the program
says. Anybody may write a message that looks like snoopy's or auditd's, so these are taken for what they seem only if
journald says that they come from there.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import orjson

from sekisho.telemetry.event import Ecs
from sekisho.telemetry.formats import auditd, process, snoopy, ulogd
from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.identity import Own

MARK = "__CURSOR"
_SUDO = re.compile(r" *(?P<user>\S+) : .*?COMMAND=(?P<command>.*)", re.DOTALL)
_FIREWALLS = frozenset({"sekisho-firewall-log.service", "ulogd2.service"})
_DIGITS = re.compile(r"\d{1,18}")


def of_record(record: dict[str, Any], source: bytes) -> Found:
    """What a record tells of itself; `source` is its JSON.

    A packet that the host's firewall decided on is JSON in MESSAGE: its fields come beside the record's, for rules.
    """
    if text(record.get("_SYSTEMD_UNIT")) in _FIREWALLS and (packet := ulogd.inside(record.get("MESSAGE"))):
        with suppress(orjson.JSONEncodeError):  # nested too deep to be a packet
            both = {**packet, **record}
            record, source = both, orjson.dumps(both)
    return Found(record, source, _microseconds(record.get("__REALTIME_TIMESTAMP")), _own(record))


def started(found: Found) -> Found | None:
    """The start of a process that a record of snoopy's tells of; None if it tells of none that can be believed."""
    record = found.record
    if record.get("SYSLOG_IDENTIFIER") != snoopy.PROVIDER or found.own is None:
        return None
    call = snoopy.read(text(record.get("MESSAGE")) or "")
    if call is None or (call.pid, call.uid) != (record.get("_PID"), record.get("_UID")):
        return None
    return process.started(
        found.own[1],
        snoopy.PROVIDER,
        text(record.get("_HOSTNAME")),
        found.time,
        found.own,
        Image=call.image,
        CommandLine=call.command_line,
        CurrentDirectory=call.cwd,
        User=call.user,
        ProcessId=call.pid,
        ParentProcessId=call.parent,
        ParentImage=text(record.get(process.PARENT)) or "",
    )


def audit(found: Found) -> auditd.Record | None:
    """The record of the audit log that a record carries: from the kernel to journald, or from root's auditd."""
    inside = _audit(found.record)
    if inside and (parent := text(found.record.get(process.PARENT))):
        inside.fields[process.PARENT] = parent
    return inside


def _audit(record: dict[str, Any]) -> auditd.Record | None:
    message, host = text(record.get("MESSAGE")) or "", text(record.get("_HOSTNAME"))
    if record.get("_TRANSPORT") == "audit":
        kind, _, rest = message.partition(" ")
        time, serial = _microseconds(record.get("_SOURCE_REALTIME_TIMESTAMP")), record.get("_AUDIT_ID")
        if time is None or not isinstance(serial, str) or not kind:
            return None
        return auditd.record(host, kind, time, serial, rest)
    line = message.encode(errors="replace")
    if record.get("_UID") != "0" or not auditd.is_one(line):
        return None
    try:
        inside = auditd.parse(line)
    except NotARecord:
        return None
    return inside if inside.node else auditd.record(host, *inside[1:5])


def audited(found: Found, inside: auditd.Record) -> Found:
    """A record of the audit log as an event, known by the cursor of the record of journald that carried it."""
    return Found(dict(inside.fields), orjson.dumps(inside.fields), inside.time, found.own)


def ecs(record: dict[str, Any]) -> Ecs:
    """The ECS fields of a record."""
    provider = text(record.get("SYSLOG_IDENTIFIER")) or text(record.get("_COMM"))
    fields = Ecs(
        event__provider=provider,
        event__dataset="journald",
        host__name=text(record.get("_HOSTNAME")),
        user__name="root" if record.get("_UID") == "0" else None,
        process__pid=text(record.get("_PID")),
        process__executable=text(record.get("_EXE")),
        process__command_line=text(record.get("_CMDLINE")),
    )
    if provider == "sudo" and (ran := _SUDO.fullmatch(text(record.get("MESSAGE")) or "")):
        return fields._replace(user__name=ran["user"], process__command_line=ran["command"])
    if ulogd.MARK in record:
        seen = ulogd.ecs(record)
        return fields._replace(
            event__action=seen.event__action,
            source__ip=seen.source__ip,
            source__port=seen.source__port,
            destination__ip=seen.destination__ip,
            destination__port=seen.destination__port,
        )
    return fields


def text(value: object) -> str | None:
    """A field as text: journald writes octets that are no text as numbers, and what was given twice as a list."""
    if isinstance(value, str):
        return value or None
    if not isinstance(value, list) or not value:
        return None
    if all(type(one) is int and 0 <= one < 256 for one in value):
        return bytes(value).decode(errors="replace")
    return text(value[0]) if isinstance(value[0], str) else None


def _own(record: dict[str, Any]) -> Own | None:
    cursor = record.get(MARK)
    return ("journal", cursor) if isinstance(cursor, str) and cursor else None


def _microseconds(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and _DIGITS.fullmatch(value) else None
