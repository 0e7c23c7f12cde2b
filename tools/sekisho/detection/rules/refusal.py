"""Why a rule cannot be used."""

from __future__ import annotations

from sekisho.core.language import Both


class CannotUse(ValueError):  # noqa: N818 - says what cannot be done
    """A rule, or a part of it, cannot be used; `reason` says why, to who would mend it."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.reason = Both(ja, en)
