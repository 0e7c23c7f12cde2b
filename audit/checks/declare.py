"""How a check is declared: `sekisho` reads the declaration from the source, so every value is a literal."""

from __future__ import annotations

from typing import Literal

import pytest


def check(
    id: str,  # noqa: A002 - the field's own word
    *,
    ja: str,
    en: str,
    controls: list[str],
    asks: Literal["terminal", "infrastructure"],
    remedy: str,
    remedy_ja: str,
) -> pytest.MarkDecorator:
    """Mark a test as the check `id`.

    `ja` and `en` say the fact that holds when it passes; `controls` are ids of `policies/controls.yml`; `asks` says
    whether the terminal itself answers or something that the terminal cannot influence; `remedy` and `remedy_ja` say
    what to do.
    """
    return pytest.mark.check(id, ja=ja, en=en, controls=controls, asks=asks, remedy=remedy, remedy_ja=remedy_ja)
