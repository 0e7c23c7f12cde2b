"""A run in plain words: how many crossed, how many did not, and for each of those why, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sekisho.core.language import Both
from sekisho.core.reason import Reason
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal


class Outcome(StrEnum):
    """What a wave came to for a terminal, in the order in which the summary counts."""

    CROSSED = "crossed"
    REFUSED = "refused"
    RETURNED = "returned"
    UNREACHABLE = "unreachable"
    QUARANTINED = "quarantined"
    WAITING = "waiting"

    @property
    def ja(self) -> str:
        """The word that officials read."""
        return _WORDS[self].ja

    @property
    def en(self) -> str:
        """The same in English."""
        return _WORDS[self].en


_WORDS = {
    Outcome.CROSSED: Both("移行完了", "crossed"),
    Outcome.REFUSED: Both("移行前に不可", "refused before crossing"),
    Outcome.RETURNED: Both("元の系へ復帰", "went back"),
    Outcome.UNREACHABLE: Both("応答なし", "out of reach"),
    Outcome.QUARANTINED: Both("隔離", "quarantined"),
    Outcome.WAITING: Both("未完了", "not done"),
}
_OF = {
    Standing.CONFIRMED: Outcome.CROSSED,
    Standing.REFUSED: Outcome.REFUSED,
    Standing.RETURNING: Outcome.RETURNED,
    Standing.RETURNED: Outcome.RETURNED,
    Standing.UNREACHED: Outcome.UNREACHABLE,
    Standing.QUARANTINING: Outcome.QUARANTINED,
    Standing.QUARANTINED: Outcome.QUARANTINED,
    Standing.RELEASING: Outcome.QUARANTINED,
}
_RELEASE = Both(
    "端末を検査または再インストールし、`sekisho release` で戻す",
    "scan or reinstall it, then `sekisho release` takes it home",
)


@dataclass(frozen=True)
class Held:
    """A terminal that did not cross: why, and what to do next, if anything is to be done."""

    terminal: Terminal
    outcome: Outcome
    why: Reason
    next: Both | None


@dataclass(frozen=True)
class Summary:
    """Counts of all terminals that move, and every one of them that did not cross."""

    counts: dict[Outcome, int]
    held: list[Held]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints: in both languages, for a program to choose."""
        return {
            "counts": {str(outcome): count for outcome, count in self.counts.items()},
            "held": [
                {
                    "asset": one.terminal.asset,
                    "outcome": str(one.outcome),
                    "why": one.why.as_json(),
                    "next": None if one.next is None else {"ja": one.next.ja, "en": one.next.en},
                }
                for one in self.held
            ],
        }


def summarise(terminals: Sequence[Terminal]) -> Summary:
    """The summary of terminals; those that never move are not counted."""
    counts = dict.fromkeys(Outcome, 0)
    held = []
    for one in terminals:
        if one.standing == Standing.FIXED:
            continue
        outcome = _OF.get(one.standing, Outcome.WAITING)
        counts[outcome] += 1
        if outcome != Outcome.CROSSED:
            held.append(Held(one, outcome, one.why, _RELEASE if outcome == Outcome.QUARANTINED else one.why.next))
    return Summary(counts, sorted(held, key=lambda one: list(Outcome).index(one.outcome)))
