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
        return _JAPANESE[self]


_S = Standing
_JAPANESE = {
    _S.UNPLANNED: "未計画",
    _S.PLANNED: "計画済み",
    _S.ADMITTED: "入口ゲート通過",
    _S.PREPARED: "準備完了",
    _S.CROSSING: "移行開始",
    _S.PROBATION: "確認中",
    _S.CONFIRMING: "確定処理中",
    _S.CONFIRMED: "移行完了",
    _S.REFUSED: "入口ゲートで不可",
    _S.RETURNING: "復帰処理中",
    _S.RETURNED: "復帰",
    _S.UNREACHED: "応答なし",
    _S.DEFERRED: "延期",
    _S.QUARANTINING: "隔離処理中",
    _S.QUARANTINED: "隔離中",
    _S.RELEASING: "隔離解除処理中",
    _S.FIXED: "移行対象外",
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
