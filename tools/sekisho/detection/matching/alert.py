"""What a rule found: one rule and one event, or a correlation and the events that it rests on."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from sekisho.detection.records.record import Scalar
from sekisho.detection.rules.rule import Correlation, Rule
from sekisho.telemetry.event import moment


class Match(NamedTuple):
    """A rule (by its place in the set) that matches an event.

    `time` counts microseconds since 1970 (UTC). `record` is the number of the line in `file`, or of the event log's
    record. `facts` are the values of the fields that correlations ask for.
    """

    place: int
    event_id: str
    time: int | None
    host: str | None
    user: str | None
    file: str
    record: int
    matched: dict[str, list[Scalar]]
    facts: dict[str, tuple[Scalar, ...]]


class Correlated(NamedTuple):
    """An unbroken run of windows in which a correlation held, of one group.

    `time` is when it began. `opened` is the id of the event that came then; with a `-` before it, of one that left the
    window then. The first `width` of `matches` were in the window then, and the others came later.
    """

    rule: Correlation
    time: int
    group: tuple[tuple[str, str], ...]
    matches: tuple[Match, ...]
    opened: str
    width: int


def identity(rule: Rule, match: Match) -> str:
    """What tells an alert from all others: its rule and its event."""
    return sha256(orjson.dumps([rule.id, match.event_id])).hexdigest()[:32]


def as_json(rule: Rule, match: Match) -> dict[str, Any]:
    """An alert as programs read it."""
    return {
        "rule_id": rule.id,
        "rule_title": rule.title,
        "level": rule.level,
        "timestamp": when(match.time),
        "host": match.host,
        "user": match.user,
        "logsource": rule.logsource.as_dict(),
        "event_id": match.event_id,
        "file": match.file,
        "record": match.record,
        "matched": {name: values[0] if len(values) == 1 else values for name, values in match.matched.items()},
    }


def correlated_as_json(found: Correlated) -> dict[str, Any]:
    """An alert of a correlation as programs read it: at the time of the event that fulfilled it first."""
    rule, first = found.rule, found.matches[0]
    return {
        "rule_id": rule.id,
        "rule_title": rule.title,
        "level": rule.level,
        "timestamp": when(found.time),
        "host": first.host if len({one.host for one in found.matches}) == 1 else None,
        "user": first.user if len({one.user for one in found.matches}) == 1 else None,
        "logsource": {},
        "event_id": first.event_id,
        "event_ids": list(dict.fromkeys(one.event_id for one in found.matches)),
        "file": first.file,
        "record": first.record,
        "matched": dict(found.group),
    }


def when(time: int | None) -> str | None:
    """A time in UTC as ISO 8601 writes it; none if there is none that a calendar has."""
    try:
        return None if time is None else moment(time).isoformat()
    except OverflowError:
        return None
