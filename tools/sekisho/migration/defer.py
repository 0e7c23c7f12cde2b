"""Putting terminals off, with a reason: a wave is done when each of its terminals is confirmed or deferred."""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.core.errors import Refused
from sekisho.core.language import Both
from sekisho.core.reason import Reason
from sekisho.fleet.standing import LEGAL, Standing
from sekisho.fleet.terminal import Terminal
from sekisho.migration.journal import Change
from sekisho.migration.wave import Run


def defer(run: Run, terminals: Sequence[Terminal], why: Reason) -> None:
    """Put terminals off that are still at home: they are no longer waited for, and can be planned again by name.

    Raises:
        Refused: one of them is not waiting for its crossing; nothing was done.
    """
    for one in terminals:
        if Standing.DEFERRED not in LEGAL[one.standing]:
            raise Refused(
                Both(
                    f"{one.asset}は延期できない: {one.standing.ja}", f"{one.asset} cannot be deferred: {one.standing}"
                ),
                Both(f"経過は `sekisho fleet show {one.asset}`", f"see `sekisho fleet show {one.asset}`"),
            )
    run.journal.change([Change(one.asset, Standing.DEFERRED, why, "terminal.deferred") for one in terminals])
