"""A host that both tiers have to do with is listed under `shared`, as the flows have it, or the policy is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sekisho.core import folders
from sekisho.core.errors import BadInput
from sekisho.fleet import hosts
from sekisho.policy import tiers

COLLECTOR = "host: collector\n    from: [lgwan, internet, probation, quarantine]\n    ports: [tcp/6514, tcp/5044]"
ROUTER = "host: core\n    from: lgwan\n    ports: [udp/67]"
SERVERS = "host: collector\n    from: [radius, core]"
CONTROL = "host: control\n    to: [lgwan, internet, probation, quarantine, mynumber, kitting]"
FLOW = "  - {from: lgwan, to: collector, ports: [tcp/6514, tcp/5044], why: terminal logs}"
RADIUS = "host: radius\n    from: switch"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (FLOW, f"{FLOW}\n{FLOW.replace('6514, tcp/5044', '22')}", "collector: from lgwan on tcp/22 is in a flow"),
        (COLLECTOR, COLLECTOR.replace("6514", "514"), "from internet on tcp/514 is under `shared`, but in no flow"),
        (COLLECTOR, COLLECTOR.replace("[lgwan, ", "["), "collector: from lgwan on tcp/5044 is in a flow"),
        (COLLECTOR, COLLECTOR.replace("from: [", "to: ["), "collector: from internet on tcp/5044 is in a flow"),
        (COLLECTOR, ROUTER, "collector: from internet on tcp/5044"),
        (SERVERS, SERVERS.replace("core", "kore"), "'kore' is no tier, segment or host"),
        (
            f"{CONTROL}\n    ports: [tcp/22]",
            "host: core\n    from: lgwan\n    ports: [udp/67]",
            "control is not under `s",
        ),
        (COLLECTOR, COLLECTOR.replace("collector", "gyomu"), "gyomu: from internet on tcp/5044"),
        (CONTROL, CONTROL.replace(", kitting", ""), "control: to kitting on tcp/22 is in a flow"),
        (RADIUS, RADIUS.replace("radius", "switch"), "radius is not under `shared`"),
        (RADIUS, "host: radius", "either `from` or `to`"),
        (RADIUS, RADIUS.replace("switch", "swich"), "'swich' is no tier, segment or host"),
    ],
)
def test_what_both_tiers_reach_is_listed_truly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, told: str
) -> None:
    for name in ("policies", "inventory"):
        shutil.copytree(folders.data(name), tmp_path / name)
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path))
    path = tmp_path / "policies" / "tiers.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        hosts.read(tiers.read())
    assert told in caught.value.what
