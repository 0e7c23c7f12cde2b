"""Turns a blank machine into the access switch: the lab's only configured machine, as a bought switch would be."""

from __future__ import annotations

import json
from pathlib import Path

from sekisho.lab.machine import Machine
from sekisho.lab.topology import Topology, port_name

_HERE = Path(__file__).parent
_LIBRARY = "usr/local/lib/port-agent"
# A bought switch has a processor of its own: here it must not wait for the machines that are plugged into it.
_NICE = "Nice=-10"
_UNITS = {
    "switch-ovsdb.service": f"""[Unit]
Description=Open vSwitch database
[Service]
Type=simple
{_NICE}
RuntimeDirectory=openvswitch
RuntimeDirectoryPreserve=yes
ExecStartPre=/bin/rm -f /run/switch.db
ExecStartPre=/usr/bin/ovsdb-tool create /run/switch.db /usr/share/openvswitch/vswitch.ovsschema
ExecStart=/usr/sbin/ovsdb-server /run/switch.db --remote=punix:/run/openvswitch/db.sock \\
  --unixctl=/run/openvswitch/ovsdb.ctl -vsyslog:off -vfile:off
Restart=always
RestartSec=0.2
""",
    "switch-vswitchd.service": f"""[Unit]
Description=Open vSwitch in userspace
Wants=switch-ovsdb.service
After=switch-ovsdb.service
[Service]
{_NICE}
ExecStartPre=/bin/sh -c "until ovs-vsctl --no-wait --timeout=1 init; do sleep 0.05; done"
ExecStart=/usr/sbin/ovs-vswitchd unix:/run/openvswitch/db.sock --disable-system \\
  --unixctl=/run/openvswitch/vswitchd.ctl -vsyslog:off -vfile:off
Restart=always
RestartSec=0.2
""",
    # A dead agent leaves no port open: systemd ends its authenticators, then takes every terminal's flow away.
    "port-agent.service": f"""[Unit]
Description=Port agent
Wants=switch-vswitchd.service
After=switch-vswitchd.service
StartLimitIntervalSec=0
[Service]
{_NICE}
Environment=PYTHONPATH=/usr/local/lib/port-agent PYTHONUNBUFFERED=1
RuntimeDirectory=port-agent
StateDirectory=port-agent
ExecStart=/usr/bin/python3 -m sekisho.lab.switch.agent
ExecStopPost=-/usr/bin/ovs-ofctl --timeout=2 del-flows br0 cookie=0x5e/-1
KillMode=mixed
TimeoutStopSec=2
Restart=always
RestartSec=0.1
[Install]
WantedBy=multi-user.target
""",
}


def install(machine: Machine, topology: Topology, secret: str) -> None:
    """Put the switch's programs, units and settings into a blank machine that is not running."""
    for file in sorted((_HERE / "agent").glob("*.py")):
        machine.put(f"{_LIBRARY}/sekisho/lab/switch/agent/{file.name}", file.read_text())
    for package in ("sekisho", "sekisho/lab", "sekisho/lab/switch"):
        machine.put(f"{_LIBRARY}/{package}/__init__.py", "")
    for unit, text in _UNITS.items():
        machine.put(f"etc/systemd/system/{unit}", text)
        machine.put(f"etc/systemd/system/multi-user.target.d/{unit}.conf", f"[Unit]\nWants={unit}\n")
    machine.put("etc/port-agent/switch.json", json.dumps(settings(topology), indent=1))
    machine.put("etc/port-agent/radius_secret", secret + "\n", mode=0o600)


def settings(topology: Topology) -> dict[str, object]:
    """What `agent.settings` reads."""
    switch = topology.switch
    networks = topology.networks
    fixed = {"sw-mgmt": networks[switch.network].vlan, "control": networks[topology.control.network].vlan}
    for machine in topology.machines:
        fixed |= {port_name(machine, nic): networks[nic.network].vlan for nic in machine.nics}
    return {
        "name": switch.name,
        "address": str(switch.address),
        "radius": str(switch.radius),
        "bench_vlan": networks[switch.bench].vlan,
        "vlans": sorted(network.vlan for network in networks.values() if network.terminals),
        "reauth_period": switch.reauth_period,
        "mab_after": switch.mab_after,
        "fixed": fixed,
        "terminals": {terminal.name: number for number, terminal in enumerate(topology.terminals, start=1)},
        "modes": {terminal.name: terminal.plug for terminal in topology.terminals},
    }
