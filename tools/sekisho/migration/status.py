"""Where every terminal stands, live: the ledger, RADIUS's own table beside it, and every difference by name."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import MOVING
from sekisho.fleet.terminal import Terminal
from sekisho.identity.assignments import Assignments, differences
from sekisho.migration import lock
from sekisho.migration.lock import Run
from sekisho.migration.summary import summarise
from sekisho.policy import tiers as policy


@dataclass(frozen=True)
class Status:
    """A picture of one moment.

    `unknown` says why RADIUS could not be asked; then nothing is known to agree. `run` is the run that is at work:
    terminals that it is just moving are not compared, for RADIUS acts before the ledger can say so.
    """

    terminals: list[Terminal]
    differences: list[Reason]
    unknown: Reason | None
    run: Run | None

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
            "run": None if self.run is None else asdict(self.run),
            "counts": self.counts(),
            "summary": summarise(self.terminals).as_json(),
            "terminals": [asdict(one) for one in self.terminals],
        }


def read(state: State, *, wave: str | None = None, ask_radius: bool = True) -> Status:
    """The status of all terminals, or of a wave's."""
    ledger, run = Ledger(state), lock.at_work(state.folder)
    if run and run.pid == os.getpid():
        run = None  # our own, which asks for the picture of its end
    before = ledger.terminals()
    if not ask_radius:
        return Status(_of(wave, before), [], because(Code.RADIUS_NOT_ASKED), run)
    try:
        table = Assignments(state).table()
    except SekishoError as error:
        said = Both(error.told_what("ja"), error.told_what("en"))
        return Status(_of(wave, before), [], because(Code.RADIUS_SILENT, said=said), run)
    now = ledger.terminals()
    moving = _moving(before, now) if run else set()
    found = [one.what for one in differences(now, table, policy.read()) if one.asset not in moving]
    return Status(_of(wave, now), found, None, run)


def _of(wave: str | None, terminals: list[Terminal]) -> list[Terminal]:
    return [one for one in terminals if wave is None or one.wave == wave]


def _moving(before: list[Terminal], now: list[Terminal]) -> set[str]:
    """Asset numbers of those that were between two tiers, or changed, while RADIUS was asked."""
    earlier = {one.asset: one for one in before}
    return {one.asset for one in now if one != earlier.get(one.asset) or one.standing in MOVING}
