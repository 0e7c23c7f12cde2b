"""Where a terminal stands in its migration: an explicit state machine."""

from __future__ import annotations

from enum import StrEnum


class Standing(StrEnum):
    """One word for each stage of the way; `LEGAL` says which may follow which."""

    UNPLANNED = "unplanned"
    PLANNED = "planned"
    ADMITTED = "admitted"
    PREPARED = "prepared"
    CROSSING = "crossing"
    PROBATION = "probation"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    RETURNING = "returning"
    RETURNED = "returned"
    UNREACHED = "unreached"
    DEFERRED = "deferred"
    QUARANTINING = "quarantining"
    QUARANTINED = "quarantined"
    RELEASING = "releasing"
    FIXED = "fixed"

    @property
    def ja(self) -> str:
        """The word that officials read."""
        return _WORDS[self][0]

    @property
    def en(self) -> str:
        """The same in English."""
        return _WORDS[self][1]


_S = Standing
_WORDS = {
    _S.UNPLANNED: ("未計画", "not planned"),
    _S.PLANNED: ("計画済み", "planned"),
    _S.ADMITTED: ("入口ゲート通過", "passed the entry gate"),
    _S.PREPARED: ("準備完了", "prepared"),
    _S.CROSSING: ("移行開始", "crossing"),
    _S.PROBATION: ("確認中", "on probation"),
    _S.CONFIRMING: ("確定処理中", "being confirmed"),
    _S.CONFIRMED: ("移行完了", "crossed"),
    _S.REFUSED: ("移行前に不可", "refused before crossing"),
    _S.RETURNING: ("復帰処理中", "going back"),
    _S.RETURNED: ("元の系へ復帰", "went back"),
    _S.UNREACHED: ("応答なし", "out of reach"),
    _S.DEFERRED: ("延期", "deferred"),
    _S.QUARANTINING: ("隔離処理中", "going into quarantine"),
    _S.QUARANTINED: ("隔離中", "in quarantine"),
    _S.RELEASING: ("隔離解除処理中", "being released"),
    _S.FIXED: ("移行対象外", "never moves"),
}

LEGAL: dict[Standing, frozenset[Standing]] = {
    _S.UNPLANNED: frozenset({_S.PLANNED}),
    _S.PLANNED: frozenset({_S.ADMITTED, _S.REFUSED, _S.UNREACHED, _S.DEFERRED, _S.UNPLANNED}),
    _S.ADMITTED: frozenset({_S.PREPARED, _S.REFUSED, _S.UNREACHED, _S.PLANNED}),
    _S.PREPARED: frozenset({_S.CROSSING, _S.REFUSED, _S.UNREACHED, _S.PLANNED}),
    _S.CROSSING: frozenset({_S.PROBATION, _S.RETURNED, _S.RETURNING}),
    _S.PROBATION: frozenset({_S.CONFIRMING, _S.RETURNING}),
    _S.CONFIRMING: frozenset({_S.CONFIRMED, _S.RETURNED, _S.RETURNING}),
    _S.CONFIRMED: frozenset({_S.QUARANTINING}),
    _S.REFUSED: frozenset({_S.PLANNED, _S.DEFERRED}),
    _S.RETURNING: frozenset({_S.RETURNED}),
    _S.RETURNED: frozenset({_S.PLANNED, _S.DEFERRED}),
    _S.UNREACHED: frozenset({_S.PLANNED, _S.DEFERRED}),
    _S.DEFERRED: frozenset({_S.PLANNED}),
    _S.QUARANTINING: frozenset({_S.QUARANTINED}),
    _S.QUARANTINED: frozenset({_S.RELEASING}),
    _S.RELEASING: frozenset({_S.UNPLANNED, _S.QUARANTINED}),
    _S.FIXED: frozenset(),
}

# A wave is done when each of its terminals stands at one of these.
SETTLED = frozenset({_S.CONFIRMED, _S.DEFERRED, _S.QUARANTINED})

# Between two tiers: the intent is recorded, and RADIUS may have acted on it before the ledger says so.
MOVING = frozenset({_S.CROSSING, _S.CONFIRMING, _S.RETURNING, _S.QUARANTINING, _S.RELEASING})
