"""`policies/gates.yml`: which checks stand at which gate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sekisho.core import folders
from sekisho.core.yamlfile import Strict, load
from sekisho.policy.tiers import Label

GateName = Literal["entry", "exit", "return"]
CheckId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


class Gate(Strict):
    """One gate: its name for people, and the ids of its checks in the order they are told."""

    label: Label
    checks: tuple[CheckId, ...]


class Gates(Strict):
    """The whole file."""

    version: Literal[1]
    gates: dict[GateName, Gate]


def read() -> Gates:
    """The gates in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "gates.yml", Gates)
