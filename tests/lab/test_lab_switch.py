"""The access switch does what a bought one does: a port passes nothing until RADIUS names a VLAN."""

from __future__ import annotations

import time

import pytest
from blank_lab import GATEWAYS, Radius, address_everywhere, port, reaches, run, until

from sekisho.lab.lab import Lab

pytestmark = pytest.mark.lab


def authorized(lab: Lab, name: str) -> bool:
    return bool(port(lab, name)["authorized"])


def at_desk(lab: Lab, name: str) -> None:
    """Plugged at a desk and let in."""
    lab.plug([name], "desk")
    until(lambda: authorized(lab, name), 15, f"{name} is let in")


def sees(lab: Lab, mac: str) -> int:
    """How many frames of a MAC address the core router sees on any network in two seconds."""
    dumps = "".join(
        f"timeout 2 tcpdump -U -nn -i {card} ether src {mac} >/tmp/{card}.seen 2>/dev/null & " for card in GATEWAYS
    )
    script = f"{dumps} wait 2>/dev/null; cat {' '.join(f'/tmp/{card}.seen' for card in GATEWAYS)} | grep -c ."
    return int(run(lab, "core", script)[1].strip())


def shout(lab: Lab, name: str, card: str = "eth0") -> None:
    """Send whatever could get through, for some seconds."""
    pings = "; ".join(f"ping -I {card} -c1 -W1 {gateway}" for gateway in GATEWAYS.values())
    everybody = f"ping -b -I {card} -c2 -W1 10.10.63.255; ping -6 -c2 -W1 ff02::1%{card}"
    run(lab, name, f"(sleep 0.5; {everybody}; {pings}) >/dev/null 2>&1 &")


def test_bench_is_the_kitting_network(blank_lab: Lab) -> None:
    blank_lab.plug(["pc-0003"], "bench")
    until(lambda: reaches(blank_lab, "pc-0003", "10.90.0.1"), 10, "the bench passes")
    assert port(blank_lab, "pc-0003")["vlan"] == 90


def test_unauthenticated_port_passes_nothing(blank_lab: Lab, radius: Radius) -> None:
    blank_lab.plug(["pc-0003"], "desk")
    address_everywhere(blank_lab, "pc-0003", 3)
    time.sleep(2)  # longer than the switch waits before it asks by MAC address
    assert port(blank_lab, "pc-0003")["vlan"] is None
    shout(blank_lab, "pc-0003")
    assert sees(blank_lab, "02:5e:00:00:00:03") == 0
    assert not any(reaches(blank_lab, "pc-0003", gateway) for gateway in GATEWAYS.values())


def test_closed_ports_do_not_see_each_other(blank_lab: Lab, radius: Radius) -> None:
    radius.answer({})
    blank_lab.plug(["pc-0002", "pc-0003"], "desk")
    time.sleep(1)
    for name, number in (("pc-0002", 2), ("pc-0003", 3)):
        address_everywhere(blank_lab, name, number)
        assert port(blank_lab, name)["vlan"] is None
    assert not reaches(blank_lab, "pc-0003", "10.10.1.2")
    assert not reaches(blank_lab, "pc-0002", "10.90.1.3")


def test_certificate_opens_the_vlan_of_radius_and_no_other(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pc-0001")
    address_everywhere(blank_lab, "pc-0001", 1)
    told = port(blank_lab, "pc-0001")
    assert (told["vlan"], told["mac"], told["method"]) == (10, "02:5e:00:00:00:01", "eap")
    assert reaches(blank_lab, "pc-0001", GATEWAYS["lgwan"])
    assert not reaches(blank_lab, "pc-0001", GATEWAYS["internet"])
    starts = [line for line in radius.accounting() if line.startswith("Start sw1/pc-0001")]
    assert starts[-1].split()[-1] == told["session"], "accounting and port name the same session"


def test_second_mac_on_an_open_port_passes_nothing(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pc-0001")
    address_everywhere(blank_lab, "pc-0001", 1)
    second = "ip link add link eth0 name second address 02:5e:00:00:0f:01 type macvlan mode bridge"
    run(blank_lab, "pc-0001", f"{second}; ip address add 10.10.9.9/18 dev second; ip link set second up")
    try:
        assert run(blank_lab, "pc-0001", "ping -c2 -W1 -I second 10.10.0.1")[0] != 0
        assert reaches(blank_lab, "pc-0001", "10.10.0.1")
        shout(blank_lab, "pc-0001", "second")
        assert sees(blank_lab, "02:5e:00:00:0f:01") == 0
        shout(blank_lab, "pc-0001")
        assert sees(blank_lab, "02:5e:00:00:00:01") > 0, "and this is how it looks when somebody is seen"
    finally:
        run(blank_lab, "pc-0001", "ip link delete second")


def test_unplugged_passes_nothing_and_comes_back(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pc-0001")
    blank_lab.plug(["pc-0001"], "out")
    told = port(blank_lab, "pc-0001")
    assert (told["vlan"], told["link"], told["authorized"]) == (None, False, False)
    assert run(blank_lab, "pc-0001", "cat /sys/class/net/eth0/carrier")[1].strip() == "0"
    at_desk(blank_lab, "pc-0001")


def test_pulled_cable_closes_the_port(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pc-0001")
    run(blank_lab, "pc-0001", "ip link set eth0 down")
    until(lambda: port(blank_lab, "pc-0001")["vlan"] is None, 1, "the port closes without a link")
    run(blank_lab, "pc-0001", "ip link set eth0 up")
    until(lambda: authorized(blank_lab, "pc-0001"), 10, "it is let in again")


def test_disconnect_is_acknowledged_when_the_port_is_closed(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pc-0001")
    before = port(blank_lab, "pc-0001")["session"]
    radius.answer({"pc-0001": 20})
    assert "Disconnect-ACK" in radius.disconnect("pc-0001", f',Acct-Session-Id="{before}"')
    until(lambda: port(blank_lab, "pc-0001")["vlan"] == 20, 5, "a fresh authentication at once, in the new VLAN")
    assert any(line.startswith("Stop sw1/pc-0001") and line.endswith(str(before)) for line in radius.accounting())
    radius.stop()
    assert "Disconnect-ACK" in radius.disconnect("pc-0001")
    assert port(blank_lab, "pc-0001")["vlan"] is None
    tag = run(blank_lab, "sw1", "ovs-vsctl get port pc-0001 tag")[1]
    assert int(tag) >= 3000
    assert "pc-0001" not in run(blank_lab, "sw1", "ovs-ofctl --names dump-flows br0 cookie=0x5e/-1")[1]
    radius.start()
    radius.disconnect("pc-0001")
    until(lambda: authorized(blank_lab, "pc-0001"), 70, "it comes back when RADIUS does")


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"secret": "/etc/hostname"}, "No reply"),
        ({"stamp": ""}, "No reply"),
        ({"stamp": "1000000000"}, "No reply"),
        ({"extra": ',Acct-Session-Id="0000"'}, "Session-Context-Not-Found"),
        ({"extra": ',Calling-Station-Id="02-5E-00-00-00-02"'}, "Session-Context-Not-Found"),
    ],
)
def test_disconnect_that_is_not_meant_leaves_the_session(
    blank_lab: Lab, radius: Radius, change: dict[str, str], answer: str
) -> None:
    at_desk(blank_lab, "pc-0001")
    before = port(blank_lab, "pc-0001")["session"]
    assert answer in radius.disconnect("pc-0001", **change)
    assert port(blank_lab, "pc-0001")["session"] == before


def test_disconnect_of_an_unknown_port_or_without_session(blank_lab: Lab, radius: Radius) -> None:
    blank_lab.plug(["pc-0003"], "desk")
    assert "Session-Context-Not-Found" in radius.disconnect("pc-0003")
    assert "NAS-Identification-Mismatch" in radius.disconnect("pc-9999")


@pytest.mark.parametrize("victim", ["sekisho.lab.switch.agent", "hostapd.*pc-0001", "ovs-vswitchd"])
def test_a_dead_part_of_the_switch_closes_its_ports(blank_lab: Lab, radius: Radius, victim: str) -> None:
    at_desk(blank_lab, "pc-0001")
    radius.stop()  # so that nothing can be let in again
    run(blank_lab, "sw1", f"pkill -9 -f '{victim}'")
    time.sleep(0.5)
    until(lambda: "ports" in _asked(blank_lab), 15, "the switch is back")
    assert port(blank_lab, "pc-0001")["vlan"] is None
    assert not reaches(blank_lab, "pc-0001", GATEWAYS["lgwan"])
    radius.start()
    blank_lab.plug(["pc-0001"], "desk")
    until(lambda: authorized(blank_lab, "pc-0001"), 70, "and lets in again")


def _asked(lab: Lab) -> dict[str, object]:
    told = lab.status()
    return told if told["switch"] == "answers" else {}


def test_silent_device_is_asked_for_by_mac(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pr-0001")
    told = port(blank_lab, "pr-0001")
    assert (told["vlan"], told["method"], told["mac"]) == (50, "mab", "02:5e:00:00:00:21")
    until(lambda: f"Start sw1/pr-0001 02-5E-00-00-00-21 {told['session']}" in radius.accounting(), 3, "accounting")
    radius.stop()
    assert "Disconnect-ACK" in radius.disconnect("pr-0001", ',Calling-Station-Id="02-5E-00-00-00-21"')
    assert port(blank_lab, "pr-0001")["vlan"] is None


@pytest.mark.parametrize("name", ["pc-0001", "pr-0001"])
def test_session_timeout_closes_the_port_without_radius(blank_lab: Lab, radius: Radius, name: str) -> None:
    blank_lab.plug([name], "out")
    radius.answer({"pc-0001": 10, "025e00000021": 50}, seconds=4)
    at_desk(blank_lab, name)
    since = float(str(port(blank_lab, name)["since"]))
    radius.stop()
    until(lambda: port(blank_lab, name)["vlan"] is None, 6, "closed by itself")
    assert time.time() - since < 5.0


def test_power_off_closes_the_port_and_keeps_only_the_disk(blank_lab: Lab, radius: Radius) -> None:
    at_desk(blank_lab, "pc-0001")
    run(blank_lab, "pc-0001", "echo kept > /root/kept; nft add table inet left; sync")
    blank_lab.power(["pc-0001"], on=False)
    until(lambda: port(blank_lab, "pc-0001")["vlan"] is None, 1, "no machine, no link, no VLAN")
    blank_lab.power(["pc-0001"], on=True)
    assert run(blank_lab, "pc-0001", "cat /root/kept")[1].strip() == "kept"
    assert "left" not in run(blank_lab, "pc-0001", "nft list tables")[1]
    run(blank_lab, "pc-0001", "systemctl start wpa")
    until(lambda: authorized(blank_lab, "pc-0001"), 15, "it is let in again")
