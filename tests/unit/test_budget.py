"""A wave's budgets: what failed and what was out of reach are counted apart, and one too many stops it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.core.errors import Refused
from sekisho.core.reason import Reason
from sekisho.core.sentences import Code
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet.standing import Standing
from sekisho.identity.assignments import Assignments
from sekisho.migration.journal import Journal
from sekisho.migration.lock import RunLock
from sekisho.migration.wave import Listener, Run, within_budget
from sekisho.policy import tiers, waves
from sekisho.policy.waves import Budget, Budgets

SIZE = 20
LANDS = {
    "failed": [Standing.REFUSED, Standing.RETURNED],
    "away": [Standing.UNREACHED],
    "well": [Standing.PLANNED, Standing.CONFIRMED, Standing.PROBATION],
}


def fleet(folder: Path, standings: list[Standing]) -> State:
    state = open_state(folder, create=True)
    with state.transaction() as tx:
        for number, standing in enumerate(standings, 1):
            tx.run(
                "INSERT INTO terminal (asset, number, name, mac, kind, department, owner, home, tier, standing, wave)"
                " VALUES (?, ?, ?, ?, 'staff', 'zeimu', 'x', 'lgwan', 'lgwan', ?, 'pilot')",
                (f"PC-{number:04d}", number, f"pc-{number:04d}", f"02:5e:00:00:00:{number:02x}", str(standing)),
            )
    return state


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    standings=st.lists(
        st.sampled_from([one for lands in LANDS.values() for one in lands]), min_size=SIZE, max_size=SIZE
    ),
    failed=st.builds(Budget, share=st.sampled_from([0.0, 0.1, 0.25, 0.5]), at_least=st.integers(0, 12)),
    away=st.builds(Budget, share=st.sampled_from([0.0, 0.1, 0.25, 0.5]), at_least=st.integers(0, 12)),
)
def test_one_too_many_of_either_kind_stops_the_wave(
    tmp_path_factory: pytest.TempPathFactory, standings: list[Standing], failed: Budget, away: Budget
) -> None:
    state = fleet(tmp_path_factory.mktemp("budget") / "state", standings)
    counts = {kind: sum(one in lands for one in standings) for kind, lands in LANDS.items()}
    policy = waves.read().model_copy(update={"budgets": Budgets(failed=failed, unreachable=away)})
    run = Run(
        state,
        "pilot",
        tiers.read(),
        policy,
        cast("RunLock", None),
        Journal(state, who="tester", wave="pilot"),
        cast("Assignments", None),
        cast("Listener", None),
    )
    wanted = None
    if counts["failed"] > max(failed.at_least, int(SIZE * failed.share)):
        wanted = (Code.TOO_MANY_FAILED, counts["failed"])
    elif counts["away"] > max(away.at_least, int(SIZE * away.share)):
        wanted = (Code.TOO_MANY_AWAY, counts["away"])
    if wanted is None:
        within_budget(run, SIZE)
        assert not list(Chain(state).records("wave.stopped"))
        return
    with pytest.raises(Refused) as stopped:
        within_budget(run, SIZE)
    [why] = stopped.value.reasons
    assert isinstance(why, Reason)
    assert (why.code, why.values["count"]) == (str(wanted[0]), str(wanted[1]))
    [fact] = Chain(state).records("wave.stopped")
    assert (fact.body["failed"], fact.body["unreachable"]) == (counts["failed"], counts["away"])
