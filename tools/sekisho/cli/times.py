"""Times as people give them to a command."""

from __future__ import annotations

from datetime import datetime

from sekisho.core.clock import JAPAN
from sekisho.core.errors import BadInput
from sekisho.core.language import Both


def moment_of(text: str | None) -> int | None:
    """A time in microseconds since 1970 (UTC); in Japan unless it names a zone. None stays None.

    Raises:
        BadInput: it is no time.
    """
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            Both(f"'{text}' は日時ではない", f"{text!r} is not a time"),
            Both("例: 2026-11-24 または 2026-11-24T09:00", "such as 2026-11-24 or 2026-11-24T09:00"),
        ) from error
    return int((given if given.tzinfo else given.replace(tzinfo=JAPAN)).timestamp() * 1_000_000)
