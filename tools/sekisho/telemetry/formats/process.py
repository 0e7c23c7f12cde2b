"""Starts of processes, told in one way: what rules for Linux `process_creation` ask for, with Sysmon's names.

Such an event is derived: no source wrote it so. It stands beside the records that it was made of, which stay events of
their own, and `derived_from` names them: a journald cursor, or an event of the audit log. It says only what these
records say. Of a parent the source tells only the number: its program is what the terminal's log agent found at that
time and put beside the record (`PARENT`). It is not guessed from earlier events: what an event says must not depend on
where reading began.
"""

from __future__ import annotations

from typing import Any

import orjson

from sekisho.telemetry.event import Ecs
from sekisho.telemetry.formats.found import Found
from sekisho.telemetry.identity import Own

DERIVED = "derived_from"
PARENT = "_SEKISHO_PARENT_EXE"  # playbooks/roles/log_agent; journald takes no field with an underscore from anybody
_NAMES = ("Image", "CommandLine", "CurrentDirectory", "User", "ProcessId", "ParentProcessId", "ParentImage")


def started(
    derived_from: str, provider: str, host: str | None, time: int | None, own: Own | None, **told: str
) -> Found:
    """A start, of what its records told by the names that rules have for it; `own` is their identity."""
    record: dict[str, Any] = {DERIVED: derived_from, "Provider": provider}
    if host:
        record["Hostname"] = host
    record |= {name: told[name] for name in _NAMES if told.get(name)}
    return Found(record, orjson.dumps(record), time, (*own, "process") if own else None)


def ecs(record: dict[str, Any]) -> Ecs:
    """The ECS fields of such a record."""
    told = {key: value for key, value in record.items() if isinstance(value, str)}
    return Ecs(
        event__provider=told.get("Provider"),
        event__dataset="process",
        event__action="exec",
        host__name=told.get("Hostname"),
        user__name=told.get("User"),
        process__pid=told.get("ProcessId"),
        process__executable=told.get("Image"),
        process__command_line=told.get("CommandLine"),
        process__parent__executable=told.get("ParentImage"),
    )
