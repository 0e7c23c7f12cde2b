"""Correlations over what arrives: matches are held, and each group is judged when its lateness has passed.

`correlate.runs` is what decides, over those matches of a group that could have to do with a new one; a run that it
finds is told when its window at the beginning has been there for so long that nothing earlier is waited for any more.
What comes later still is judged again: it may add a run, and one that was told is known by its id.

Lateness is counted from the arrival of an event, by our own clock, and never from what an event says of its time.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import orjson

from sekisho.detection.matching import correlate
from sekisho.detection.matching.alert import Correlated, Match
from sekisho.detection.matching.correlate import Member
from sekisho.detection.rules.rule import Correlation, Ruleset

_SECOND = 1_000_000
_FIRST, _LAST = -(2**63), 2**63 - 1  # that SQLite can hold


class _Asked(NamedTuple):
    """A correlation, the name under which its matches are held, and how long its groups wait (microseconds)."""

    rule: Correlation
    key: str
    wait: int

    @property
    def reach(self) -> int:
        """For how long after its own time a match has to do with what happens."""
        return self.rule.seconds * _SECOND + 1


class Waiting:
    """The correlations of rules, over what is held for them in the ledger's file. Times are in microseconds (UTC)."""

    def __init__(self, ruleset: Ruleset, lateness: int) -> None:
        depth: dict[str, int] = {}
        self._all: list[_Asked] = []
        self._asking: dict[str, list[_Asked]] = defaultdict(list)
        for rule in ruleset.correlations:  # those that it refers to stand before it, and it waits for theirs too
            depth[rule.id] = 1 + max(depth.get(one, 0) for one in rule.rules)
            asked = _Asked(rule, _key(rule), depth[rule.id] * lateness)
            self._all.append(asked)
            for one in dict.fromkeys(rule.rules):
                self._asking[one].append(asked)

    def hold(self, db: sqlite3.Connection, rule: str, match: Match, arrived: int) -> None:
        """Hold a match of a rule for the correlations that ask for it."""
        for asked in self._asking.get(rule, ()):
            for group, one in correlate.members(asked.rule, rule, match):
                grouped = orjson.dumps(group).decode()
                row = (asked.key, grouped, one.time, one.place, one.event_id, arrived, _body(match))
                sql = "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
                if db.execute(sql, row).rowcount:
                    _await(db, asked, grouped, one.time, arrived + asked.wait)

    def judged(self, db: sqlite3.Connection, now: int, seen: int) -> Iterator[Correlated]:
        """The runs that are to be told, those of before among them.

        All that arrived until `now` is held, and nothing that arrived after `seen`.
        """
        for asked in self._all:
            limit = seen + asked.wait + asked.reach  # should our own clock have been wrong, nobody waits for it
            db.execute("UPDATE waiting SET due = ?1 WHERE correlation = ?2 AND due > ?1", (limit, asked.key))
            due: dict[str, list[int]] = defaultdict(list)
            sql = "DELETE FROM waiting WHERE correlation = ? AND due <= ? RETURNING grouped, time"
            for grouped, time in db.execute(sql, (asked.key, now)).fetchall():
                due[grouped].append(time)
            for grouped, times in due.items():
                for first, last in _stretches(sorted(times), 2 * asked.reach):
                    yield from self._judge(db, asked, grouped, (first, last + asked.reach), now, seen)

    def due(self, db: sqlite3.Connection, now: int) -> bool:
        """Whether a group is to be judged at this time already."""
        sql = "SELECT EXISTS (SELECT 1 FROM waiting WHERE correlation = ? AND due <= ?)"
        return any(db.execute(sql, (asked.key, now)).fetchone()[0] for asked in self._all)

    def _judge(
        self, db: sqlite3.Connection, asked: _Asked, grouped: str, within: tuple[int, int], now: int, seen: int
    ) -> Iterator[Correlated]:
        """The runs of a group that begin within a stretch of time: what lies farther away does not decide of them."""
        some, arrivals = _held(db, asked, grouped, (within[0] - asked.reach, within[1]), seen)
        group = tuple((str(name), str(value)) for name, value in orjson.loads(grouped))
        for run in correlate.runs(asked.rule, group, some):
            if within[0] <= run.time <= within[1]:
                opening = run._replace(matches=run.matches[: run.width])
                arrived = _arrived(opening, arrivals)
                if arrived + asked.wait > now:
                    _await(db, asked, grouped, run.time, arrived + asked.wait)
                    continue
                self.hold(db, asked.rule.id, correlate.as_match(opening), arrived)
                yield opening


def _held(
    db: sqlite3.Connection, asked: _Asked, grouped: str, between: tuple[int, int], seen: int
) -> tuple[list[Member], dict[str, int]]:
    """What is held of a group between two times, in order, and when each event arrived."""
    those = (asked.key, grouped, max(between[0], _FIRST), min(between[1], _LAST))
    where = "WHERE correlation = ? AND grouped = ? AND time BETWEEN ? AND ?"
    db.execute(f"UPDATE held SET arrived = {seen:d} {where} AND arrived > {seen:d}", those)  # noqa: S608 - a number of ours
    sql = f"SELECT time, place, event, arrived, body FROM held {where} ORDER BY time, place, event"  # noqa: S608 - ours
    some: list[Member] = []
    arrivals: dict[str, int] = {}
    for time, place, event, arrived, body in db.execute(sql, those):
        some.append(Member(time, place, event, _match(time, event, body)))
        arrivals[event] = arrived
    return some, arrivals


def _arrived(run: Correlated, arrivals: dict[str, int]) -> int:
    """When a run's beginning came to us, had the time since its last event passed here too."""
    last = max(one.time or 0 for one in run.matches)
    return min(arrivals[one.event_id] for one in run.matches if one.time == last) + run.time - last


def _await(db: sqlite3.Connection, asked: _Asked, grouped: str, time: int, due: int) -> None:
    """See that a group is judged, around a time, when it is due."""
    sql = "INSERT INTO waiting VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET due = min(due, excluded.due)"
    db.execute(sql, (asked.key, grouped, min(time, _LAST), min(due, _LAST)))


def _stretches(times: Sequence[int], gap: int) -> Iterable[tuple[int, int]]:
    """Times in order, as stretches with no gap larger than this within."""
    first = before = times[0]
    for time in times[1:]:
        if time - before > gap:
            yield first, before
            first = time
        before = time
    yield first, before


def _key(rule: Correlation) -> str:
    """What matches are held by: a correlation that asks for something else begins anew."""
    asks = (rule.kind, rule.rules, rule.seconds, rule.group_by, rule.aliases, rule.count, rule.field)
    return f"{rule.id} {sha256(orjson.dumps(asks)).hexdigest()[:16]}"


def _body(match: Match) -> bytes:
    return orjson.dumps((match.host, match.user, match.file, match.record, match.facts))


def _match(time: int, event: str, body: bytes) -> Match:
    host, user, file, record, facts = orjson.loads(body)
    return Match(0, event, time, host, user, file, record, {}, {name: tuple(some) for name, some in facts.items()})
