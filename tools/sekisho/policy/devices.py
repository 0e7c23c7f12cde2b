"""`policies/devices.yml`: devices that cannot do 802.1X, each approved by a post until a date."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sekisho.core import clock, folders, mac
from sekisho.core.errors import BadValue
from sekisho.core.yamlfile import Strict, load


class Device(Strict):
    """One device. `until` is the last day (Japan time) on which its port is opened by its MAC address."""

    asset: str = Field(pattern=r"^[A-Z0-9](?:[A-Z0-9-]{0,38}[A-Z0-9])?$")
    mac: Annotated[str, AfterValidator(mac.normal)]
    tier: Literal["devices"]
    approved_by: str = Field(min_length=1)
    until: date
    why: str = Field(min_length=1)

    def expired(self, day: date) -> bool:
        """Whether the approval has ended on `day`."""
        return day > self.until


class Devices(Strict):
    """The whole file."""

    version: Literal[1]
    devices: tuple[Device, ...] = ()

    @model_validator(mode="after")
    def _each_stands_once(self) -> Self:
        for column in ("asset", "mac"):
            values = [getattr(device, column) for device in self.devices]
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise BadValue(f"devices: {twice[0]} が二度ある", f"devices: {twice[0]} stands twice")
        return self


def today() -> date:
    """The present day in Japan, by which approvals end."""
    return clock.now().astimezone(clock.JAPAN).date()


def read() -> Devices:
    """The policy in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "devices.yml", Devices)
