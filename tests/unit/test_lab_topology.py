"""lab.yml is read strictly, and means what the contract between product and lab says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sekisho.core import folders
from sekisho.core.errors import BadInput
from sekisho.lab import plan
from sekisho.lab.switch.install import settings
from sekisho.lab.topology import Topology, read

EXAMPLE = folders.data("inventory") / "example" / "lab.yml"


@pytest.fixture(scope="module")
def example() -> Topology:
    return read(EXAMPLE)


def test_the_example_has_every_machine(example: Topology) -> None:
    names = plan.machine_names(example)
    assert names[0] == "sw1"
    assert {"core", "radius", "gyomu", "juki", "collector", "outside-web", "pr-0001", "mn-0001"} <= set(names)
    assert len([name for name in names if name.startswith("pc-")]) == 12


def test_core_is_blank_but_for_its_management_card(example: Topology) -> None:
    files = plan.network_files(example, "core")
    assert list(files) == ["etc/systemd/network/10-installer.network"]
    assert "Address=10.9.0.1/24" in files["etc/systemd/network/10-installer.network"]


def test_a_terminal_starts_on_the_kitting_bench(example: Topology) -> None:
    text = plan.network_files(example, "pc-0003")["etc/systemd/network/10-installer.network"]
    assert "Address=10.90.1.3/18" in text
    assert "Gateway=10.90.0.1" in text
    terminal = next(terminal for terminal in example.terminals if terminal.name == "pc-0003")
    assert {"10.10.1.3", "10.20.1.3", "10.21.1.3", "10.30.1.3"} <= set(plan.addresses(example, terminal))


def test_every_port_name_fits_linux_and_no_cable_is_laid_twice(example: Topology) -> None:
    ends = [end for cable in plan.cables("demo", example) for end in (cable.card, cable.port)]
    assert all(len(end.interface) <= 15 for end in ends)
    assert len({(end.namespace, end.interface) for end in ends}) == len(ends)


def test_every_switch_port_is_known_to_the_switch(example: Topology) -> None:
    known = settings(example)
    ports = {cable.port.interface for cable in plan.cables("demo", example)}
    configured = {*known["fixed"], *known["terminals"]}  # type: ignore[misc]
    assert {port for port in ports if not port.endswith("-idle")} == configured


def test_spares_go_on_after_the_highest_number(example: Topology) -> None:
    more = example.with_spares(300)
    spare = more.terminals[len(example.terminals) :]
    assert (spare[0].name, spare[0].number, spare[0].mac) == ("pc-0101", 15, "02:5e:01:00:00:01")
    assert spare[299].mac == "02:5e:01:00:01:2c"
    assert len({terminal.mac for terminal in more.terminals}) == len(more.terminals)


@pytest.mark.parametrize(
    ("old", "new", "line_of", "told"),
    [
        ("radius: 10.9.0.3", "radiuss: 10.9.0.3", "radiuss:", "unknown key"),
        ('mac: "02:5e:00:00:00:02"', "mac: banana", "pc-0002", "six lower-case hex octets"),
        ('mac: "02:5e:00:00:00:02"', 'mac: "03:5e:00:00:00:02"', "pc-0002", "group address"),
        ("number: 2}", "number: zwei}", "pc-0002", "integer"),
        ("name: pc-0002", "name: PC-0002", "PC-0002", "pattern"),
        ("vlan: 20, cidr", "vlan: 4000, cidr", "internet:", "2999"),
        ("vlan: 20, cidr", "vlan: 10, cidr", "", "VLAN given twice: 10"),
        ("number: 2}", "number: 1}", "", "number given twice: 1"),
        ("network: outside, address", "network: outsider, address", "", "unknown network 'outsider'"),
        ("address: 203.0.113.80", "address: 203.0.114.80", "", "203.0.114.80 is not in outside"),
        ("name: gyomu", "name: core", "", "machine given twice: core"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line_of: str, told: str) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    bad = tmp_path / "lab.yml"
    bad.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        read(bad)
    assert told in caught.value.what
    if line_of:
        lines = bad.read_text().splitlines()
        number = next(index for index, line in enumerate(lines, start=1) if line_of in line)
        assert f"lab.yml:{number}:" in caught.value.what
