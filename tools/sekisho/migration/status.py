"""Where every terminal stands, live: the ledger, RADIUS's own table beside it, and every difference by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignments, differences
from sekisho.migration.summary import summarise
from sekisho.policy import tiers as policy


@dataclass(frozen=True)
class Status:
    """A picture of one moment. `unknown` says why RADIUS could not be asked; then nothing is known to agree."""

    terminals: list[Terminal]
    differences: list[Reason]
    unknown: Reason | None

    @property
    def sound(self) -> bool:
        """RADIUS was asked, and agrees with the ledger on every terminal."""
        return not self.differences and self.unknown is None

    def counts(self) -> dict[str, int]:
        """Terminals by standing."""
        return dict(Counter(str(one.standing) for one in self.terminals))

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "sound": self.sound,
            "differences": [one.as_json() for one in self.differences],
            "unknown": None if self.unknown is None else self.unknown.as_json(),
            "counts": self.counts(),
            "summary": summarise(self.terminals).as_json(),
            "terminals": [asdict(one) for one in self.terminals],
        }


def read(state: State, *, wave: str | None = None, ask_radius: bool = True) -> Status:
    """The status of all terminals, or of a wave's."""
    ledger = Ledger(state)
    shown = ledger.terminals(wave=wave)
    if not ask_radius:
        return Status(shown, [], because(Code.RADIUS_NOT_ASKED))
    try:
        table = Assignments(state).table()
    except SekishoError as error:
        return Status(shown, [], because(Code.RADIUS_SILENT, said=Both(error.told_what("ja"), error.told_what("en"))))
    found = differences(ledger.terminals(), table, policy.read())
    return Status(shown, [one.what for one in found], None)
