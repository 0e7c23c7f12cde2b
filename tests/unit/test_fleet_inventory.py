"""What Ansible sees of the ledger, and which devices get a fixed VLAN."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from sekisho.core import folders
from sekisho.core.errors import BadInput
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet import appliances, departments, hosts
from sekisho.fleet.importing import load
from sekisho.fleet.inventory import Inventory
from sekisho.fleet.ledger import Ledger
from sekisho.migration import plan
from sekisho.policy import devices, tiers, waves

DAY = date(2027, 1, 15)


def _imported(folder: Path, file: str) -> State:
    opened = open_state(folder, create=True)
    source = load.read(folders.inventory() / file, departments=departments.read(), tiers=tiers.read(), taken=set())
    load.load(opened, source, record=Chain(opened).append, who="joho", skip_bad=False)
    plan.plan(opened, waves.read(), record=Chain(opened).append, who="joho")
    return opened


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return _imported(tmp_path_factory.mktemp("inventory") / "state", "ledger.csv")


def _inventory(state: State, day: date = DAY) -> Inventory:
    policy = tiers.read()
    return Inventory(
        Ledger(state).terminals(),
        tiers=policy,
        hosts=hosts.read(policy),
        devices=devices.read(),
        state=state.folder,
        day=day,
    )


def test_groups_follow_the_ledger(state: State) -> None:
    groups = _inventory(state).all()
    staff = [f"pc-{number:04}" for number in range(1, 13)]
    assert groups["tier_lgwan"]["hosts"] == staff
    assert groups["kind_staff"]["hosts"] == staff
    assert groups["terminals"]["hosts"] == ["mn-0001", *staff]
    assert groups["appliances"]["hosts"] == ["pr-0001"]
    assert groups["department_doboku"]["hosts"] == staff[8:]
    assert groups["wave_pilot"]["hosts"]
    assert groups["core_router"]["hosts"] == ["core"]
    assert groups["business_system"]["hosts"] == ["gyomu", "juki"]
    assert groups["elasticsearch"]["hosts"] == ["es-1", "es-2", "es-3"]
    assert "radius" not in groups
    assert {"radius", "control", "collector", "outside-web"} <= set(groups["_meta"]["hostvars"])
    assert "outside-probe" not in groups["_meta"]["hostvars"]


def test_a_terminal_is_found_at_its_present_tiers_address(state: State) -> None:
    policy = tiers.read()
    found: dict[str, Any] = _inventory(state).host("pc-0003")
    assert found["ansible_host"] == str(policy.address("lgwan", found["number"]))
    assert found["addresses"] == {
        name: str(policy.address(name, found["number"]))
        for name in ("lgwan", "internet", "probation", "quarantine", "kitting")
    }
    assert (found["asset"], found["certificate_subject"], found["home"]) == ("PC-0003", "PC-0003", "lgwan")
    assert _inventory(state).host("nobody") == {}


def test_only_the_router_knows_the_reservations_and_none_is_too_wide(state: State) -> None:
    hostvars = _inventory(state).all()["_meta"]["hostvars"]
    assert [name for name, facts in hostvars.items() if "sekisho_dhcp_reservations" in facts] == ["core"]
    given = {one["name"]: one["addresses"] for one in hostvars["core"]["sekisho_dhcp_reservations"]}
    assert set(given["mn-0001"]) == {"mynumber", "kitting"}
    assert set(given["pr-0001"]) == {"devices"}
    assert "mynumber" not in given["pc-0001"]
    every = [IPv4Address(address) for addresses in given.values() for address in addresses.values()]
    assert len(set(every)) == len(every)


def test_an_expired_device_has_no_address_and_is_named(state: State) -> None:
    late = date(2099, 1, 1)
    reservations = _inventory(state, late).host("core")["sekisho_dhcp_reservations"]
    assert "pr-0001" not in {one["name"] for one in reservations}
    (verdict,) = appliances.judge(devices.read(), Ledger(state).terminals(), late)
    assert verdict.why is not None
    assert "ended on 2030-03-31" in verdict.why.en
    assert appliances.judge(devices.read(), Ledger(state).terminals(), date(2030, 3, 31))[0].given


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"asset": "PC-0001"}, "must authenticate by certificate"),
        ({"asset": "MN-0001"}, "must authenticate by certificate"),
        ({"asset": "PR-0404"}, "no such terminal"),
        ({"mac": "02-5E-00-00-00-99"}, "has the MAC address 02:5e:00:00:00:21"),
    ],
)
def test_a_device_that_the_ledger_contradicts_gets_nothing(state: State, change: dict[str, str], told: str) -> None:
    device = devices.read().devices[0].model_dump() | change
    policy = devices.Devices.model_validate({"version": 1, "devices": [device]})
    (verdict,) = appliances.judge(policy, Ledger(state).terminals(), DAY)
    assert verdict.why is not None
    assert told in verdict.why.en
    assert appliances.given(policy, Ledger(state).terminals(), DAY) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tier: devices", "tier: lgwan", ":8: devices.0.tier"),
        ("until: 2030-03-31", "until: someday", ":10: devices.0.until"),
        ("approved_by", "approvedby", "unknown key"),
        ("02:5e:00:00:00:21", "02:5e", "no MAC address"),
    ],
)
def test_a_faulty_list_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, told: str
) -> None:
    (tmp_path / "policies").mkdir()
    text = (folders.data("policies") / "devices.yml").read_text(encoding="utf-8")
    (tmp_path / "policies" / "devices.yml").write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path))
    with pytest.raises(BadInput) as caught:
        devices.read()
    assert told in caught.value.what


def test_ansible_reads_it_and_six_thousand_take_less_than_two_seconds(tmp_path: Path) -> None:
    opened = _imported(tmp_path / "state", "ledger-6000.csv")
    opened.close()
    environment = {**os.environ, "SEKISHO_STATE": str(tmp_path / "state"), "ANSIBLE_LOCALHOST_WARNING": "0"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    script = folders.data("inventory") / "ledger"
    began = os.times()
    done = subprocess.run([script, "--list"], env=environment, capture_output=True, text=True, check=True)
    ended = os.times()  # the processor's time: the machine may have other work
    taken = ended.children_user + ended.children_system - began.children_user - began.children_system
    assert len(json.loads(done.stdout)["_meta"]["hostvars"]) > 6000
    assert taken < 2
    ansible = Path(sys.executable).parent / "ansible-inventory"
    done = subprocess.run(
        [ansible, "-i", script, "--host", "pc-10001"], env=environment, capture_output=True, text=True, check=True
    )
    facts = json.loads(done.stdout)
    assert facts["ansible_user"] == "admin"
    assert "StrictHostKeyChecking=yes" in facts["ansible_ssh_common_args"]
    assert facts["sekisho_tiers"]["lgwan"]["vlan"] == 10
    assert "WARNING" not in done.stderr
