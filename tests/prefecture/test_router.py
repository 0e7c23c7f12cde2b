"""The core router over its own command line: what is not in the policy is seen, refused and taken away."""

from __future__ import annotations

import pytest

from prefecture import Prefecture
from sekisho.core.errors import SekishoError
from sekisho.evidence.chain import Chain
from sekisho.network import router

pytestmark = pytest.mark.lab
STRAY = ("ip route 198.51.100.0/24 blackhole", "interface lgwansrv", "ip address 10.110.0.99/24", "exit")


def vtysh(prefecture: Prefecture, *lines: str) -> None:
    words = " ".join(f"-c '{line}'" for line in ("configure terminal", *lines))
    prefecture.do("core", f"vtysh {words}")


def test_the_router_is_as_the_policy_says(prefecture: Prefecture) -> None:
    facts = prefecture.json("network", "show")
    assert facts["differs"] == []
    addresses = prefecture.do("core", "ip -brief -4 address")
    assert "10.21.0.1/18" in addresses
    assert "blackhole 10.0.0.0/8" in prefecture.do("core", "ip route show type blackhole")


def test_what_somebody_added_is_named_stops_a_wave_and_is_taken_away(prefecture: Prefecture) -> None:
    wave = prefecture.wave("PC-0006")
    vtysh(prefecture, *STRAY)
    differs = prefecture.json("network", "show", code=1)["differs"]
    assert "no ip route 198.51.100.0/24 blackhole" in differs
    assert "no ip address 10.110.0.99/24" in differs
    refused = prefecture.sekisho("migrate", "--wave", wave, code=1)
    assert "198.51.100.0/24" in refused.stdout + refused.stderr
    applied = prefecture.json("network", "apply")
    assert applied["lines"]
    assert "10.110.0.99" in applied["before"]
    assert "10.110.0.99" not in applied["after"]
    assert "198.51.100.0" not in prefecture.do("core", "ip route show type blackhole")
    assert prefecture.json("network", "show")["differs"] == []
    record = list(Chain(prefecture.opened()).records("router.applied"))[-1]
    assert record.body["before"] == applied["before"]
    assert record.body["after"] == applied["after"]
    assert "10.110.0.99" not in prefecture.do("core", "cat /etc/frr/frr.conf"), "it would come back at the next start"


def test_a_line_that_the_router_rejects_is_a_failure(prefecture: Prefecture, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prefecture.json("network", "show")["running"]
    monkeypatch.setattr(router, "difference", lambda _now, _wanted: ["ip route 10.0.0.0/8 no-such-gateway"])
    with pytest.raises(SekishoError, match="rejected a line"):
        prefecture.inside(lambda: router.apply(prefecture.opened()))
    monkeypatch.undo()
    assert prefecture.json("network", "show")["running"] == before


def test_a_router_with_another_host_key_is_not_asked(prefecture: Prefecture) -> None:
    """Somebody stands in the router's place: nothing is sent to it."""
    known = prefecture.state / "ssh" / "known_hosts"
    text = known.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    radius = next(line for line in lines if line.startswith("radius")).split()
    known.write_text(
        "".join(f"{line.split()[0]} {radius[1]} {radius[2]}\n" if line.startswith("core") else line for line in lines),
        encoding="utf-8",
    )
    try:
        refused = prefecture.sekisho("network", "show", code=1)
        assert "does not match" in refused.stderr
        assert "sekisho itself" not in refused.stderr
    finally:
        known.write_text(text, encoding="utf-8")
