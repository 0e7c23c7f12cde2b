"""Waves and batches: no department loses too much at once, and what has begun stays."""

from __future__ import annotations

import math
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.core import folders
from sekisho.core.errors import BadInput, Refused
from sekisho.core.reason import typed
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet import departments
from sekisho.fleet.importing import load
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.migration import plan
from sekisho.policy import tiers, waves
from sekisho.policy.waves import Waves


def _policy(*, share: float = 0.5, batch: int = 6, **sizes: int) -> Waves:
    rings = [{"name": name, "size": size, "label": {"ja": name, "en": name}} for name, size in sizes.items()]
    for ring in rings[:-1]:
        ring["waves"] = 1
    shipped = waves.read().model_dump(by_alias=True)
    return Waves.model_validate({**shipped, "department_share": share, "batch": batch, "rings": rings})


def _state(folder: Path, file: str = "ledger.csv") -> State:
    opened = open_state(folder, create=True)
    source = load.read(folders.inventory() / file, departments=departments.read(), tiers=tiers.read(), taken=set())
    load.load(opened, source, record=Chain(opened).append, who="joho", skip_bad=False)
    return opened


@pytest.fixture
def state(tmp_path: Path) -> State:
    return _state(tmp_path / "state")


def _plan(state: State, policy: Waves) -> plan.Plan:
    return plan.plan(state, policy, record=Chain(state).append, who="joho")


def _one(state: State, asset: str) -> plan.Wave:
    return plan.plan_named(state, [asset], record=Chain(state).append, who="joho")


def _begin(state: State, asset: str) -> None:
    with state.transaction() as tx:
        seq = Chain(state).append(tx, "gate.result", {"type": "terminal", "name": asset}, {})
        Ledger(state).move(tx, asset, Standing.UNREACHED, who="t", why=typed("off"), record=seq)


def _made_up(sizes: list[int]) -> list[Terminal]:
    names = [f"d{at}" for at, size in enumerate(sizes) for _ in range(size)]
    return [
        Terminal(f"PC-{number}", number, f"pc-{number}", "", "staff", name, "x", "lgwan", "lgwan", Standing.PLANNED,
                 "w", None, None, "")
        for number, name in enumerate(names, start=1)
    ]  # fmt: skip


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.integers(1, 12),
    st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.75, 1.0]),
)
def test_no_batch_takes_more_than_the_share_of_a_department(sizes: list[int], batch: int, share: float) -> None:
    fleet = _made_up(sizes)
    cut = plan.batches(fleet, _policy(share=share, batch=batch, broad=10))
    assert sorted(one.number for part in cut for one in part) == [one.number for one in fleet]
    for part in cut:
        assert 0 < len(part) <= batch
        for name, count in Counter(one.department for one in part).items():
            assert count <= max(1, math.floor(sizes[int(name[1:])] * share + 1e-9))
    assert cut == plan.batches(list(reversed(fleet)), _policy(share=share, batch=batch, broad=10))


def test_batches_of_part_of_a_wave_are_measured_by_the_departments_real_size() -> None:
    fleet = _made_up([4, 4, 4])
    part = [one for one in fleet if one.number % 2]
    assert [len(one) for one in plan.batches(part, _policy(broad=10), plan.department_sizes(fleet))] == [6]
    assert [len(one) for one in plan.batches(part, _policy(broad=10))] == [3, 3]
    assert plan.batches([], _policy(broad=10)) == []


def test_waves_hold_only_lgwan_staff_terminals_and_spread_the_departments(state: State) -> None:
    done = _plan(state, _policy(pilot=6, broad=100))
    assert [(wave.name, len(wave.assets)) for wave in done.made] == [("pilot", 6), ("broad-1", 6)]
    ledger = Ledger(state)
    for wave in done.made:
        there = ledger.terminals(wave=wave.name)
        assert {one.asset for one in there} == set(wave.assets)
        assert {(one.kind, one.tier, one.standing) for one in there} == {("staff", "lgwan", Standing.PLANNED)}
        assert max(Counter(one.department for one in there).values()) <= 2
    kinds = [record.kind for record in Chain(state).records()]
    assert kinds == ["fleet.imported", "wave.planned", "wave.planned"]
    Chain(state).verify()


def test_planning_is_deterministic_and_again_changes_nothing(state: State, tmp_path: Path) -> None:
    policy = _policy(pilot=5, early=3, broad=100)
    first = _plan(state, policy)
    head = Chain(state).head()
    again = _plan(state, policy)
    assert (again.made, again.changed, Chain(state).head()) == (first.made, False, head)
    assert _plan(_state(tmp_path / "other"), policy).made == first.made


def test_a_wave_that_has_begun_is_kept_and_the_others_are_cut_anew(state: State) -> None:
    first = _plan(state, _policy(pilot=3, broad=100))
    _begin(state, first.made[0].assets[0])
    second = _plan(state, _policy(pilot=2, broad=3))
    assert [set(wave.assets) for wave in second.kept] == [set(first.made[0].assets)]
    assert [(wave.name, len(wave.assets)) for wave in second.made] == [("broad-1", 3), ("broad-2", 3), ("broad-3", 3)]
    planned = [one.asset for one in Ledger(state).terminals() if one.wave]
    assert len(planned) == 12
    rows = [row["name"] for row in state.read("SELECT name FROM wave ORDER BY position")]
    assert rows == ["pilot", "broad-1", "broad-2", "broad-3"]


def test_a_fleet_that_fits_into_the_first_wave_is_one_wave_whose_batches_keep_departments_apart(state: State) -> None:
    done = _plan(state, _policy(pilot=12, broad=100))
    assert [(wave.name, len(wave.assets)) for wave in done.made] == [("pilot", 12)]
    for batch in plan.batches(Ledger(state).terminals(wave="pilot"), _policy(pilot=12, broad=100)):
        assert Counter(one.department for one in batch) == {"zeimu": 2, "fukushi": 2, "doboku": 2}


def test_a_wave_takes_no_more_than_the_share_when_more_terminals_are_left(state: State) -> None:
    done = _plan(state, _policy(pilot=11, broad=100))
    assert [len(wave.assets) for wave in done.made] == [6, 6]


def test_who_finds_no_ring_is_named(state: State) -> None:
    policy = _policy(pilot=2, broad=2)
    rings = [ring.model_copy(update={"waves": 1}) for ring in policy.rings]
    done = _plan(state, policy.model_copy(update={"rings": tuple(rings)}))
    assert len(done.left) == 8
    assert {Ledger(state).terminal(asset).standing for asset in done.left} == {Standing.UNPLANNED}


def test_one_terminal_gets_a_wave_of_its_own(state: State) -> None:
    policy = _policy(pilot=3, broad=100)
    first = _plan(state, policy)
    asset = first.made[0].assets[1]
    wave = _one(state, asset)
    assert _one(state, asset) == wave
    assert [one.asset for one in Ledger(state).terminals(wave=wave.name)] == [asset]
    again = _plan(state, policy)
    assert [one.name for one in again.kept] == [wave.name]
    assert all(asset not in one.assets for one in again.made)
    _begin(state, asset)
    with pytest.raises(Refused, match="it is unreached"):
        _one(state, asset)


def test_named_terminals_share_a_wave_and_planning_them_again_changes_nothing(state: State) -> None:
    def named(*assets: str) -> plan.Wave:
        return plan.plan_named(state, assets, record=Chain(state).append, who="joho")

    first = named("PC-0001", "PC-0002")
    assert first.assets == ("PC-0001", "PC-0002")
    records = Chain(state).head().length
    assert named("PC-0002", "PC-0001").name == first.name
    assert Chain(state).head().length == records
    other = named("PC-0002", "PC-0003")
    assert other.name != first.name
    assert [one.asset for one in Ledger(state).terminals(wave=first.name)] == ["PC-0001"]


@pytest.mark.parametrize(("asset", "word"), [("MN-0001", "mynumber"), ("PR-0001", "printer")])
def test_a_my_number_terminal_and_a_printer_are_refused_by_name(state: State, asset: str, word: str) -> None:
    with pytest.raises(Refused, match=f"{asset} is never planned: it is a {word}"):
        _one(state, asset)
    _plan(state, _policy(broad=100))
    assert Ledger(state).terminal(asset).wave is None
    with pytest.raises(BadInput):
        _one(state, "PC-9999")


def test_six_thousand_are_planned_within_seconds(tmp_path: Path) -> None:
    opened = _state(tmp_path / "state", "ledger-6000.csv")
    policy = waves.read()
    began = time.monotonic()
    done = _plan(opened, policy)
    assert time.monotonic() - began < 5
    fleet = {one.asset: one for one in Ledger(opened).terminals()}
    sizes = plan.department_sizes(list(fleet.values()))
    assert sum(len(wave.assets) for wave in done.made) == sum(one.movable for one in fleet.values())
    assert done.made[0].name == "pilot"
    for wave in done.made:
        for name, count in Counter(fleet[asset].department for asset in wave.assets).items():
            assert count <= max(1, math.floor(sizes[name] * policy.department_share))
