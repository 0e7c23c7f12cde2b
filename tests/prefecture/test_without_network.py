"""How long a terminal has no network when it changes tier, and what must not make it longer."""

from __future__ import annotations

import re

import pytest

from prefecture import Prefecture, until

pytestmark = pytest.mark.lab

_COOKIE = "0x2f2e"


def test_a_question_that_came_too_early_is_asked_again_at_once(prefecture: Prefecture) -> None:
    # A switch opens the port a moment after the terminal was told of its success: a DHCP question in between is lost.
    one = prefecture.terminal("PC-0008")
    lost = f"cookie={_COOKIE},priority=200,udp,dl_src={one.mac},tp_dst=67,actions=drop"

    def asked() -> int:
        told = prefecture.do("sw1", f"ovs-ofctl dump-flows br0 cookie={_COOKIE}/-1")
        return int(re.search(r"n_packets=(\d+)", told).group(1))  # type: ignore[union-attr]

    prefecture.do("sw1", f"ovs-ofctl add-flow br0 '{lost}'")
    try:
        prefecture.do(one.name, "wpa_cli -p /run/sekisho-supplicant -i eth0 reauthenticate")
        until(asked, 20, "the address is asked for after an authentication")
        until(lambda: asked() >= 2, 2.5, "it is asked for again; left to itself networkd waits for about four seconds")
    finally:
        prefecture.do("sw1", f"ovs-ofctl del-flows br0 cookie={_COOKIE}/-1")
    prefecture.at_desk("PC-0008")
    until(lambda: prefecture.answers(one.name, "10.110.0.10"), 20, "the business system answers again")
