"""Times as people give them to a command."""

from __future__ import annotations

from datetime import datetime

from sekisho.core.clock import JAPAN
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.telemetry.query import Span


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


def span_of(since: str | None, until: str | None, options: tuple[str, str]) -> Span:
    """The span that two options ask for.

    Raises:
        BadInput: one is no time, or nothing lies between them.
    """
    span = Span(moment_of(since), moment_of(until))
    if span.since is not None and span.until is not None and span.until <= span.since:
        first, last = options
        raise BadInput(
            Both(f"{last} {until} は {first} {since} より後ではない", f"{last} {until} is not after {first} {since}"),
            Both(f"期間を確かめる。{last} の時刻自体は含まない", f"check the range; {last} itself is not in it"),
        )
    return span
