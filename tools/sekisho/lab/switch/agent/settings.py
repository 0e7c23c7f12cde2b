"""What the installer wrote for the switch: its ports, its address, its RADIUS server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FILE = Path("/etc/port-agent/switch.json")
SECRET = Path("/etc/port-agent/radius_secret")
MODES = Path("/var/lib/port-agent/modes.json")
RUN = Path("/run/port-agent")
DEAD_VLAN = 3000  # a closed port is alone in VLAN 3000 + its number


@dataclass(frozen=True)
class Settings:
    """`fixed` and `terminals` map port names: to a VLAN, and to the port's number, from 1."""

    name: str
    address: str
    radius: str
    bench_vlan: int
    vlans: tuple[int, ...]
    reauth_period: int
    mab_after: float
    fixed: dict[str, int]
    terminals: dict[str, int]
    modes: dict[str, str]


def read() -> Settings:
    """The installer's settings, with the ports as they were plugged last."""
    content = json.loads(FILE.read_text())
    content["vlans"] = tuple(content["vlans"])
    if MODES.is_file():
        content["modes"] |= json.loads(MODES.read_text())
    return Settings(**content)


def keep_modes(modes: dict[str, str]) -> None:
    """Remember how ports are plugged, over a restart."""
    MODES.parent.mkdir(parents=True, exist_ok=True)
    new = MODES.with_suffix(".new")
    new.write_text(json.dumps(modes))
    new.replace(MODES)
