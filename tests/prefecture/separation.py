"""Was a terminal ever in two tiers, and how long in none: what the prober's record says. Pure functions.

Times are seconds of one clock. Answers are in the order in which they came out of the terminal's card.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

HOME = "lgwan"


@dataclass(frozen=True)
class Answer:
    """Something came back. `tier` is where the answering side is; `stack`: the question went through the terminal's own
    address, route and rules; `held`: it belongs to the connection that was opened before the crossing."""

    at: float
    tier: str
    way: str
    stack: bool = False
    held: bool = False


@dataclass
class Record:
    """One terminal: when each round was sent, what came back, and when a held connection was opened."""

    sent: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Violation:
    """The LGWAN side answered at `at` although the terminal had been outside since `outside`."""

    at: float
    outside: float
    way: str

    def __str__(self) -> str:
        return f"answer from LGWAN {self.at - self.outside:.3f} s after the first from outside ({self.way})"


@dataclass(frozen=True)
class Step:
    """One line of the ledger's history. `until` is the lease's end by the RADIUS server, where the line begins one."""

    at: float
    became: str
    until: float | None = None


def returns(steps: Sequence[Step]) -> list[float]:
    """From when on the terminal may be in the LGWAN tier again, each time that it was taken or let home.

    A return is recorded before the network is asked, so the network changes later. A lease that ends does so by the
    RADIUS server's clock, whatever the ledger learns of it afterwards: unless it was confirmed or given back before.
    """
    found = [step.at for step in steps if step.became in {"returning", "releasing"}]
    for place, step in enumerate(steps):
        if step.until is None:
            continue
        ended = (one.at for one in steps[place + 1 :] if one.became in {"confirmed", "returning"})
        if next(ended, step.until) >= step.until:
            found.append(step.until)
    return sorted(found)


def violations(answers: Iterable[Answer], returned: Sequence[float]) -> list[Violation]:
    """Every answer from LGWAN that came after one from outside without a return between them.

    A return allows one way home, not two: it counts if it was recorded after the last answer from LGWAN of before the
    crossing (a terminal may be called back before anything outside has answered).
    """
    found: list[Violation] = []
    home, outside = float("-inf"), None
    for one in answers:
        if one.tier != HOME:
            outside = one.at if outside is None else outside
        elif outside is None or any(home < moment <= one.at for moment in returned):
            home, outside = one.at, None
        else:
            found.append(Violation(one.at, outside, one.way))
    return found


@dataclass(frozen=True)
class Passage:
    """From the last answer in one tier to the first in the next: for so long the terminal had no network."""

    origin: str
    tier: str
    left: float
    reached: float

    @property
    def seconds(self) -> float:
        return self.reached - self.left


def passages(answers: Iterable[Answer], *, stack: bool) -> list[Passage]:
    """Every change of tier: as the terminal's own stack saw it, or as the bare network was."""
    seen = (one for one in answers if one.stack == stack and not one.held)
    return [Passage(one.tier, other.tier, one.at, other.at) for one, other in pairwise(seen) if one.tier != other.tier]


def held_over(record: Record, passage: Passage) -> bool:
    """Whether a connection opened before the passage was alive shortly before it, and went on being asked."""
    alive = [one.at for one in record.answers if one.held and passage.left - 1.0 < one.at <= passage.left + 0.1]
    return bool(alive) and any(moment < alive[-1] for moment in record.opened) and record.sent[-1] > passage.reached


@dataclass(frozen=True)
class Gaps:
    """Times between two rounds, in seconds; `late` are those above the limit, `near` those of them near a passage."""

    rounds: int
    late: int
    median: float
    high: float
    worst: float
    near: tuple[tuple[float, float], ...]

    @property
    def share(self) -> float:
        return self.late / max(1, self.rounds)

    def __str__(self) -> str:
        near = "".join(f"; {gap * 1000:.0f} ms {apart:+.2f} s from a crossing" for gap, apart in self.near)
        return (
            f"{self.rounds} rounds, median {self.median * 1000:.1f} ms, 99.9 % {self.high * 1000:.1f} ms,"
            f" worst {self.worst * 1000:.1f} ms, {self.late} late ({self.share:.2%}){near}"
        )


def gaps(sent: Sequence[float], crossings: Sequence[Passage] = (), *, limit: float = 0.020, near: float = 0.5) -> Gaps:
    """How regularly a terminal was asked; `near` is how many seconds before or after a passage are near it."""
    apart = [after - before for before, after in pairwise(sent)]
    if not apart:
        return Gaps(0, 0, float("inf"), float("inf"), float("inf"), ())
    close = [
        (after - before, before - one.left)
        for before, after in pairwise(sent)
        for one in crossings
        if after - before > limit and one.left - near < after and before < one.reached + near
    ]
    ordered = sorted(apart)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))]
    late = sum(gap > limit for gap in apart)
    return Gaps(len(apart), late, statistics.median(apart), high, ordered[-1], tuple(close))
