"""The zone of times that name none, as `policies/telemetry.yml` says."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from functools import cache


class PolicyZone(tzinfo):
    """The policy's zone. The policy is read when an event first asks for it: most name a zone, and it takes a while.

    Each method raises what reading the policy does.
    """

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        """How far it is ahead of UTC."""
        return _zone().utcoffset(moment)

    def dst(self, moment: datetime | None, /) -> timedelta | None:
        """How much of that is summer time."""
        return _zone().dst(moment)

    def tzname(self, moment: datetime | None, /) -> str | None:
        """Its name at a time."""
        return _zone().tzname(moment)

    def fromutc(self, moment: datetime, /) -> datetime:
        """A time of UTC in this zone."""
        return _zone().fromutc(moment.replace(tzinfo=_zone())).replace(tzinfo=self)


@cache
def _zone() -> tzinfo:
    # pydantic and zoneinfo take longer to load than many a file of events.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from sekisho.policy import telemetry  # noqa: PLC0415

    return ZoneInfo(telemetry.read().zone)
