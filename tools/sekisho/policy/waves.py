"""`policies/waves.yml`: rings, batches, budgets, leases and freezes."""

from __future__ import annotations

import math
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from sekisho.core import folders
from sekisho.core.errors import BadValue
from sekisho.core.yamlfile import Strict, load
from sekisho.policy.tiers import Label


class Ring(Strict):
    """A group of waves of one size (terminals). Without `waves` the ring takes all that is left."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    size: int = Field(ge=1, le=5000)
    waves: int | None = Field(default=None, ge=1)
    label: Label


class Budget(Strict):
    """How many terminals of a wave: a share of it (0 to 1), but at least a number."""

    share: float = Field(ge=0, le=1)
    at_least: int = Field(ge=0)

    def of(self, size: int) -> int:
        """The number of terminals for a wave of `size`."""
        return max(self.at_least, math.floor(size * self.share))


class Budgets(Strict):
    """Failed and unreachable, counted apart: a switched-off PC is no failure."""

    failed: Budget
    unreachable: Budget


class Freeze(Strict):
    """Days on which nothing crosses, first and last included."""

    from_: date = Field(alias="from")
    to: date
    why: Label

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise BadValue("移行停止期間の終わりが始まりより前", "the freeze ends before it starts")
        return self


class Waves(Strict):
    """The whole file."""

    version: Literal[1]
    rings: tuple[Ring, ...] = Field(min_length=1)
    department_share: float = Field(gt=0, le=1)
    batch: int = Field(ge=1, le=500)
    forks: int = Field(ge=1, le=200)
    lease_seconds: int = Field(ge=20, le=86400)
    budgets: Budgets
    freezes: tuple[Freeze, ...] = ()

    @model_validator(mode="after")
    def _rings_are_apart(self) -> Self:
        names = [ring.name for ring in self.rings]
        if len(set(names)) != len(names):
            raise BadValue("同じ名前の段階が二つある", "two rings have the same name")
        if any(ring.waves is None for ring in self.rings[:-1]):
            raise BadValue("`waves` を省けるのは最後の段階だけ", "only the last ring may go without `waves`")
        return self

    def freeze_on(self, day: date) -> Freeze | None:
        """The freeze that `day` lies in."""
        return next((freeze for freeze in self.freezes if freeze.from_ <= day <= freeze.to), None)


def read() -> Waves:
    """The policy in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "waves.yml", Waves)
