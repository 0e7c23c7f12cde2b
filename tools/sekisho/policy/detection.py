"""`policies/detection.yml`: which rules the events are watched by."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sekisho.core import folders
from sekisho.core.errors import BadValue
from sekisho.core.yamlfile import Strict, load

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3660)


def _duration(given: object) -> timedelta:
    """A time as Sigma's own `timespan` writes it."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", given) if isinstance(given, str) else None
    if found is None:
        raise BadValue(
            f"'{given}' は期間ではない(例: 30s, 15m, 24h, 30d)", f"{given!r} is no time, such as 30s, 15m, 24h, 30d"
        )
    try:
        length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        length = timedelta.max
    if length > _LONGEST:
        raise BadValue(f"'{given}' は10年を超えている", f"{given!r} is more than ten years")
    return length


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Level = Literal["informational", "low", "medium", "high", "critical"]
Status = Literal["stable", "test", "experimental", "deprecated", "unsupported"]


class Source(Strict):
    """Logs as a rule's `logsource` names them: those that have all that is said here."""

    category: str | None = Field(default=None, min_length=1)
    product: str | None = Field(default=None, min_length=1)
    service: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.category or self.product or self.service):
            raise BadValue(
                "category, product, service のどれかが必要", "one of category, product and service is needed"
            )
        return self


class Choice(Strict):
    """Rules of one origin: those that fit every key. None does not narrow, and an empty list fits no rule."""

    levels: tuple[Level, ...] | None = None
    statuses: tuple[Status, ...] | None = None
    logsources: tuple[Source, ...] | None = None


class Single(Strict):
    """One rule by its id, and why it is treated apart."""

    id: str = Field(min_length=1)
    why: str = Field(min_length=1)


def _once(some: tuple[Single, ...]) -> tuple[Single, ...]:
    ids = [one.id for one in some]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise BadValue(f"二度書かれている: {', '.join(twice)}", f"written twice: {', '.join(twice)}")
    return some


Singles = Annotated[tuple[Single, ...], AfterValidator(_once)]


class Rules(Strict):
    """Which rules: ours and those of the imported release, some single ones besides, and some never."""

    ours: Choice
    imported: Choice
    include: Singles = ()
    exclude: Singles = ()

    @model_validator(mode="after")
    def _in_or_out(self) -> Self:
        if both := sorted({one.id for one in self.include} & {one.id for one in self.exclude}):
            raise BadValue(
                f"include と exclude の両方にある: {', '.join(both)}", f"both in include and exclude: {', '.join(both)}"
            )
        return self


class Detection(Strict):
    """The whole file.

    `lateness` is for how long, from the arrival of an event, a correlation waits for others; `blind_after` the time
    within which a rule's logs and fields must have occurred.
    """

    version: Literal[1]
    rules: Rules
    lateness: Duration
    blind_after: Duration

    @model_validator(mode="after")
    def _looks_back(self) -> Self:
        if not self.blind_after:
            raise BadValue("blind_after は0より長くなければならない", "blind_after must be longer than nothing")
        return self


def read() -> Detection:
    """The policy in force.

    Raises:
        BadInput: with file and line.
    """
    return load(folders.data("policies") / "detection.yml", Detection)
