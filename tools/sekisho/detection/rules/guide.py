"""`guide.yml` beside a rule of ours: what an alert of it means to the one who has to answer it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sekisho.core.yamlfile import Strict

Words = Annotated[str, Field(min_length=1)]


class Text(Strict):
    """A text in both languages."""

    ja: Words
    en: Words


class Guide(Strict):
    """The whole file.

    `first` has the steps to take, in their order; `false_positives` what is known to raise the alert without harm.
    `also` names the rules of ours, by their folders, that may raise an alert on a near miss of this one.
    """

    means: Text
    first: tuple[Text, ...] = Field(min_length=1)
    false_positives: tuple[Text, ...] = Field(min_length=1)
    also: tuple[str, ...] = ()
