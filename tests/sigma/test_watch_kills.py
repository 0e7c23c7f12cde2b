"""`sekisho watch` of the embedded store, killed while parts are merged: no alert is lost or told twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sekisho.telemetry.embedded.store import EmbeddedStore
from watch_kills import kill_at_random
from watching import home


@pytest.mark.parametrize(
    ("kills", "seed"),
    [pytest.param(10, 21, marks=pytest.mark.slow), pytest.param(100, 22, marks=pytest.mark.kills)],
)
def test_killed_at_random_moments_no_alert_is_lost_or_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, seed: int
) -> None:
    for name, value in home(tmp_path / "home", "1s").items():
        monkeypatch.setenv(name, value)
    (tmp_path / "state").mkdir()
    store = EmbeddedStore(tmp_path / "state" / "events")
    events = kill_at_random(store, tmp_path / "state", kills, seed)
    batches = events // 15  # of 14.5 events on average
    assert len(store.manifest().parts) < batches // 2, "nothing was merged meanwhile"
