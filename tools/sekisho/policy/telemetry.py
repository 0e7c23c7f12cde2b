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


class Telemetry(Strict):
    """The whole file."""

    version: Literal[1]
    zone: Annotated[str, AfterValidator(_known)]
    retention_days: int = Field(ge=1)
    silent_minutes: int = Field(ge=1)


def read() -> Telemetry:
    """The policy in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "telemetry.yml", Telemetry)
