"""The only way that a run changes the ledger: the record and the change are one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sekisho.core.reason import Reason
from sekisho.core.state import State
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing


@dataclass(frozen=True)
class Change:
    """One terminal's next standing, with the reason that a person will read and the facts that support it."""

    asset: str
    to: Standing
    why: Reason
    kind: str = "terminal.moved"
    tier: str | None = None
    lease: int | None = None
    facts: Mapping[str, Any] | None = None


class Journal:
    """Writes records, and changes with their records."""

    def __init__(self, state: State, *, who: str, wave: str | None) -> None:
        self.state = state
        self.ledger = Ledger(state)
        self._chain = Chain(state)
        self._who = who
        self._wave = wave

    def note(self, kind: str, subject: Mapping[str, str], facts: Mapping[str, Any]) -> int:
        """Record something that changes no terminal's standing; the record's sequence number."""
        with self.state.transaction() as tx:
            return self._chain.append(tx, kind, dict(subject), {"wave": self._wave, "who": self._who, **facts})

    def change(self, changes: Sequence[Change]) -> None:
        """Record and make the changes: all of them, or, when one cannot be recorded, none.

        Raises:
            SekishoError: the disk is full or the database locked; nothing was changed.
            Refused: a standing cannot follow the present one.
        """
        if not changes:
            return
        with self.state.transaction() as tx:
            for change in changes:
                terminal = self.ledger.terminal(change.asset)
                facts = {
                    "wave": self._wave,
                    "who": self._who,
                    "was": str(terminal.standing),
                    "became": str(change.to),
                    "tier": change.tier or terminal.tier,
                    "lease": change.lease,
                    "why": change.why.as_json(),
                    **(change.facts or {}),
                }
                seq = self._chain.append(tx, change.kind, {"type": "terminal", "name": change.asset}, facts)
                self.ledger.move(
                    tx,
                    change.asset,
                    change.to,
                    tier=change.tier,
                    who=self._who,
                    why=change.why,
                    record=seq,
                    lease=change.lease,
                )
