"""`policies/controls.yml`: what the rules ask for, and where each was read. Checks name these controls."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sekisho.core import folders
from sekisho.core.errors import BadValue
from sekisho.core.yamlfile import Strict, load
from sekisho.policy.tiers import Label

ControlId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Weight = Literal["required", "recommended", "unknown"]
Basis = Literal["primary", "secondary", "recalled"]


class Models(Strict):
    """How much a control weighs in the models β and β′; `unknown` where no text at hand says."""

    beta: Weight
    beta_prime: Weight


class Control(Strict):
    """One control.

    `basis` says how its source was read: `primary`, the government's own text; `secondary`, an excerpt or a retelling;
    `recalled`, not verified: it is never printed as official wording.
    """

    id: ControlId
    title: Label
    kind: Literal["technical", "organisational", "human", "audit"]
    models: Models
    source: str = Field(min_length=1)
    basis: Basis


class Controls(Strict):
    """The whole file."""

    version: Literal[1]
    edition: str
    controls: tuple[Control, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        ids = [one.id for one in self.controls]
        for one in ids:
            if ids.count(one) > 1:
                raise BadValue(f"管理策 {one} が二度ある", f"the control {one} stands twice")
        return self

    def get(self, control: str) -> Control | None:
        """The control with this id."""
        return next((one for one in self.controls if one.id == control), None)


def read() -> Controls:
    """The control catalogue in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "controls.yml", Controls)
