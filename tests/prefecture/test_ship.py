"""From a command on a terminal to an event in the store, and the terminals from which nothing comes."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from prefecture import CHECKOUT, SEKISHO, Prefecture, until

pytestmark = [pytest.mark.lab, pytest.mark.slow]
PC, OFF = "pc-0009", "pc-0011"
PATIENCE = 120.0  # seconds for what happened to be in the store, on a machine that others use too


def search(town: Prefecture, query: str) -> list[dict[str, Any]]:
    """What the store has, once everything that is at the collector is shipped."""
    town.sekisho("ship", "--once")
    found: list[dict[str, Any]] = town.json("events", "search", query)
    return found


def test_a_command_is_an_event_with_who_and_what(prefecture: Prefecture) -> None:
    marker = f"w{secrets.token_hex(6)}"
    prefecture.do(PC, f"runuser -u admin -- sh -c '/bin/true {marker}'; logger -t demo '{marker} said'")
    until(lambda: search(prefecture, f"demo {marker}"), PATIENCE, "what logger said")
    started = search(prefecture, f"agent.name:PC-0009 process.executable:*/true {marker}")
    derived = [one for one in started if "derived_from" in one["source"]]
    assert len(derived) == 1
    record = derived[0]["source"]
    assert (record["Image"], record["CommandLine"], record["User"]) == ("/bin/true", f"/bin/true {marker}", "admin")
    assert derived[0]["host.name"] == PC
    (prefecture.state / "ship.json").unlink()  # everything that the collector still has is shipped once more
    assert search(prefecture, f"agent.name:PC-0009 process.executable:*/true {marker}") == started


def test_what_is_in_the_store_is_let_go_of(prefecture: Prefecture) -> None:
    prefecture.sekisho("ship", "--once")
    prefecture.do("collector", "systemctl restart sekisho-collector")  # it begins a new segment

    def left() -> list[str]:
        prefecture.do(PC, "logger something new")
        prefecture.sekisho("ship", "--once")
        names = prefecture.do("collector", "ls /var/spool/sekisho").split()
        return [name for name in names if name.endswith(".ndjson")]

    until(lambda: len(left()) <= 1, PATIENCE, "only the open segment is left")


def test_control_s_key_can_do_nothing_else(prefecture: Prefecture) -> None:
    ssh = prefecture.state / "ssh"
    words = ("ssh", "-F", ssh / "config", "-i", ssh / "spool_ed25519", "-o", "ControlPath=none", "-T")
    address = "10.150.0.10"
    for command in ("id", "list; id", "read ../../etc/shadow 0 100", "release ../lock"):
        done = prefecture.run(*words, "-l", "sekisho-spool", address, command)
        assert done.returncode == 2, command
        assert not done.stdout, command


def test_a_silent_terminal_is_named(prefecture: Prefecture, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "policies", tmp_path / "policies")
    policy = tmp_path / "policies" / "telemetry.yml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace("silent_minutes: 60", "silent_minutes: 1"), encoding="utf-8")
    assert policy.read_text(encoding="utf-8") != text
    prefecture.lab.power([OFF], on=False)
    try:

        def named() -> bool:
            prefecture.do(PC, "logger still here")
            prefecture.sekisho("ship", "--once")
            done = prefecture.run("env", f"SEKISHO_HOME={tmp_path}", SEKISHO, "events", "silent", "--json")
            silent = {one["asset"]: one for one in json.loads(done.stdout)["silent"]}
            assert done.returncode == (1 if silent else 0)
            assert "PC-0009" not in silent
            return bool(silent.get("PC-0011", {}).get("since"))

        until(named, 180, "PC-0011 is called silent")
    finally:
        prefecture.lab.power([OFF], on=True)
        prefecture.at_desk("PC-0011")
    assert "PC-0011" not in {one["asset"] for one in prefecture.json("events", "silent", code=None)["silent"]}
