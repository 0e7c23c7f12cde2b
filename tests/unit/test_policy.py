"""The shipped policies load, and a policy that joins tiers is refused."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from sekisho.core import folders
from sekisho.core.errors import BadInput
from sekisho.fleet import hosts
from sekisho.policy import gates, tiers, waves


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("policies", "inventory"):
        shutil.copytree(folders.data(name), tmp_path / name)
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path))
    return tmp_path


def _mend(home: Path, name: str, old: str, new: str) -> None:
    path = home / "policies" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_policies_load() -> None:
    policy = tiers.read()
    assert hosts.read(policy).one("radius").segment == "management"
    assert gates.read().gates
    assert waves.read().rings[0].name == "pilot"


def test_a_terminal_keeps_its_host_part_in_every_tier() -> None:
    policy = tiers.read()
    parts = {int(policy.address(name, 77)) - int(tier.network.network_address) for name, tier in policy.tiers.items()}
    assert len(parts) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{from: probation, to: outside-probe", "{from: probation, to: gyomu", "joins probation to lgwan-servers"),
        ("{from: internet, to: outside", "{from: internet, to: lgwan", "joins internet to lgwan"),
        ("{from: lgwan, to: gyomu", "{from: lgwan, to: outside-web", "joins lgwan to outside"),
        ("{from: lgwan, to: gyomu", "{from: lgwan, to: es-1", "joins lgwan to logs"),
        ("{from: lgwan, to: gyomu", "{from: collector, to: es-1", "joins services to logs"),
        ("{from: lgwan, to: gyomu", "{from: es-1, to: outside", "joins logs to outside"),
        ("{from: lgwan, to: gyomu", "{from: lgwan, to: juki", "joins lgwan to mynumber-servers"),
        ("{from: lgwan, to: gyomu", "{from: lgwan, to: gyoumu", "'gyoumu' is no tier"),
    ],
)
def test_a_flow_that_joins_tiers_is_refused(home: Path, old: str, new: str, told: str) -> None:
    _mend(home, "tiers.yml", old, new)
    with pytest.raises(BadInput) as caught:
        hosts.read(tiers.read())
    assert told in caught.value.what


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("vlan: 20", "vlan: 10", "the same VLAN"),
        ("10.20.0.0/18", "10.10.32.0/20", "overlap"),
        ("tcp/443", "tcp/https", "expected tcp/NUMBER"),
        ("tcp/443", "tcp/70000", "expected tcp/NUMBER"),
        ("10.20.0.0/18", "10.20.0.1/18", "not a valid IPv4 network"),
    ],
)
def test_a_fault_in_tiers_is_named(home: Path, old: str, new: str, told: str) -> None:
    _mend(home, "tiers.yml", old, new)
    with pytest.raises(BadInput, match=r"tiers\.yml:") as caught:
        tiers.read()
    assert told in caught.value.what


def test_a_freeze_holds_its_first_and_last_day(home: Path) -> None:
    policy = waves.read()
    assert policy.freeze_on(date(2027, 3, 25)) == policy.freeze_on(date(2027, 4, 10)) == policy.freezes[0]
    assert policy.freeze_on(date(2027, 4, 11)) is None


def test_a_ring_without_end_must_be_the_last(home: Path) -> None:
    _mend(home, "waves.yml", "waves: 1, ", "")
    with pytest.raises(BadInput, match="only the last ring"):
        waves.read()
