"""`policies/telemetry.yml`: what becomes of the terminals' logs."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from sekisho.core import folders
from sekisho.core.errors import BadValue
from sekisho.core.yamlfile import Strict, load


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadValue(
            f"'{name}' という時間帯はない(例: Asia/Tokyo)", f"there is no zone {name!r}, such as Asia/Tokyo"
        ) from error
    return name


# The kinds of events that Sysmon can log, by the names of its configuration (schema 4.90).
SYSMON_KINDS = (
    "ProcessCreate",
    "FileCreateTime",
    "NetworkConnect",
    "ProcessTerminate",
    "DriverLoad",
    "ImageLoad",
    "CreateRemoteThread",
    "RawAccessRead",
    "ProcessAccess",
    "FileCreate",
    "RegistryEvent",
    "FileCreateStreamHash",
    "PipeEvent",
    "WmiEvent",
    "DnsQuery",
    "ClipboardChange",
    "ProcessTampering",
    "FileDeleteDetected",
    "FileExecutableDetected",
)


def _kind(name: str) -> str:
    if name not in SYSMON_KINDS:
        raise BadValue(
            f"'{name}' という種類のイベントはSysmonにない(例: ProcessCreate)",
            f"Sysmon logs no kind of event {name!r}, such as ProcessCreate",
        )
    return name


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadValue(f"二度書かれている: {', '.join(twice)}", f"written twice: {', '.join(twice)}")
    return names


class Windows(Strict):
    """What Windows terminals log. `registry_keys` are logged where RegistryEvent is not logged as a whole."""

    channels: Annotated[tuple[str, ...], AfterValidator(_once), Field(min_length=1)]
    sysmon: Annotated[tuple[Annotated[str, AfterValidator(_kind)], ...], AfterValidator(_once), Field(min_length=1)]
    registry_keys: Annotated[tuple[str, ...], AfterValidator(_once)] = ()
    queue_gigabytes: int = Field(ge=1, le=100)


class Telemetry(Strict):
    """The whole file."""

    version: Literal[1]
    zone: Annotated[str, AfterValidator(_known)]
    retention_days: int = Field(ge=1)
    silent_minutes: int = Field(ge=1)
    windows: Windows


def read() -> Telemetry:
    """The policy in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "telemetry.yml", Telemetry)
