"""Playbooks by hand: a second run changes nothing, check mode tells what has drifted, wrong states are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from prefecture import Prefecture, until
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.terminal import Terminal

pytestmark = [pytest.mark.lab, pytest.mark.slow]
AT_DESKS = ("-e", "terminals_on_bench=false")


class Run(NamedTuple):
    """What a run of a playbook said: its exit code, what it changed (host, task), counts by host, and the text."""

    code: int
    changed: set[tuple[str, str]]
    counts: dict[str, dict[str, int]]
    text: str


def play(town: Prefecture, name: str, *words: str) -> Run:
    done = town.playbook(name, *words)
    changed, task = set(), ""
    for line in done.stdout.splitlines():
        if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(?:.* : )?(.*)\]", line):
            task = heading[1]
        elif host := re.match(r"changed: \[([\w-]+)", line):
            changed.add((host[1], task))
    recap = re.findall(r"^([\w-]+) +: (ok=.*)$", done.stdout, re.MULTILINE)
    counts = {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", rest)} for host, rest in recap}
    assert counts, done.stdout + done.stderr
    return Run(done.returncode, changed, counts, done.stdout)


def nothing_done(run: Run) -> None:
    assert run.code == 0, run.text[-2000:]
    assert run.changed == set()
    assert {(one["changed"], one["failed"], one["unreachable"]) for one in run.counts.values()} == {(0, 0, 0)}


def records(town: Prefecture) -> int:
    return len(list(Chain(town.opened()).records()))


def seen(town: Prefecture, machine: str, paths: Iterable[str], units: Iterable[str]) -> str:
    """Contents, owners and modes of files, and how services stand."""
    files, services = " ".join(paths), " ".join(units)
    return town.on(machine, f"sha256sum {files}; stat -c '%n %U %a' {files}; systemctl is-active {services}")[1]


def started(town: Prefecture, machine: str, unit: str) -> str:
    return town.do(machine, f"systemctl show --value --property=ExecMainStartTimestampMonotonic {unit}").strip()


# In check mode one of each kind and of the first and the last department: all have the same tasks.
@pytest.mark.parametrize(
    ("words", "limit"),
    [((), ()), (("--check", "--diff"), ("--limit", "pc-0001,pc-0012,mn-0001"))],
    ids=["run", "check"],
)
def test_a_site_that_is_made_is_left_alone(
    prefecture: Prefecture, words: tuple[str, ...], limit: tuple[str, ...]
) -> None:
    servers = play(prefecture, "infrastructure.yml", *words)
    nothing_done(servers)
    assert {"core", "radius", "gyomu", "juki", "outside-web", "collector"} <= servers.counts.keys()
    terminals = play(prefecture, "terminals.yml", *AT_DESKS, *limit, *words)
    nothing_done(terminals)
    assert {"pc-0001", "pc-0012", "mn-0001"} <= terminals.counts.keys()
    assert "\n+++ " not in servers.text + terminals.text


def test_check_mode_tells_what_has_drifted_and_the_run_mends_it(prefecture: Prefecture) -> None:
    files = ["/etc/rsyslog.conf", "/etc/sekisho/device/device.key", "/etc/sekisho/profiles.nft"]
    units = ["sekisho-supplicant", "sekisho-profile", "sekisho-journal", "sekisho-firewall-log", "rsyslog"]
    words = ("--limit", "pc-0002,pc-0003", *AT_DESKS)
    good = seen(prefecture, "pc-0003", files, units)
    prefecture.do(
        "pc-0003",
        "echo '# by hand' >>/etc/rsyslog.conf; chmod 0644 /etc/sekisho/device/device.key;"
        " systemctl stop sekisho-profile",
    )
    drifted = seen(prefecture, "pc-0003", files, units)
    expected = {
        ("pc-0003", "Only root can read the key"),
        ("pc-0003", "The log agent is configured"),
        ("pc-0003", "The profile service runs"),
        ("pc-0003", "Restart the log agent"),
    }
    told = play(prefecture, "terminals.yml", *words, "--check", "--diff")
    assert (told.code, told.changed) == (0, expected)
    assert "-# by hand" in told.text
    assert seen(prefecture, "pc-0003", files, units) == drifted != good
    mended = play(prefecture, "terminals.yml", *words)
    assert (mended.code, mended.changed) == (0, expected)
    assert seen(prefecture, "pc-0003", files, units) == good
    prefecture.at_desk("PC-0003")


def test_check_mode_tells_what_has_drifted_on_router_and_servers(prefecture: Prefecture) -> None:
    spoilt = {
        "core": "vtysh -c 'configure terminal' -c 'ip route 192.0.2.0/24 blackhole'",
        "gyomu": "chmod 0666 /etc/nginx/sites-available/default",
        "radius": "systemctl stop sekisho-lease",
    }
    for machine, script in spoilt.items():
        prefecture.do(machine, script)
    expected = {
        ("core", "Addresses and routes are as the policy says"),
        ("gyomu", "The only site is ours, in place of the distribution's"),
        ("gyomu", "Reload the web server"),
        ("radius", "FreeRADIUS and the lease timer run"),
    }
    told = play(prefecture, "infrastructure.yml", "--check", "--diff")
    assert (told.code, told.changed) == (0, expected)
    assert "192.0.2.0/24" in prefecture.do("core", "vtysh -c 'show running-config'")
    assert prefecture.do("gyomu", "stat -c %a /etc/nginx/sites-available/default").strip() == "666"
    assert prefecture.on("radius", "systemctl is-active sekisho-lease")[0] != 0
    mended = play(prefecture, "infrastructure.yml")
    assert (mended.code, mended.changed) == (0, expected)
    assert "192.0.2.0/24" not in prefecture.do("core", "vtysh -c 'show running-config'")
    prefecture.do("radius", "systemctl is-active sekisho-lease")


def idle(town: Prefecture) -> Terminal:
    """A staff terminal at home that is in no wave."""
    return next(one for one in Ledger(town.opened()).terminals() if one.movable and one.standing == "unplanned")


@pytest.mark.parametrize("playbook", ["prepare.yml", "settle.yml"])
def test_a_terminal_in_the_wrong_state_is_refused(prefecture: Prefecture, playbook: str) -> None:
    one = idle(prefecture)
    refused(prefecture, playbook, one.name, rf"{one.asset} \(staff\) is unplanned in the tier lgwan")
    refused(prefecture, playbook, "mn-0001", r"MN-0001 \(mynumber\) is fixed in the tier mynumber")
    refused(prefecture, playbook, "pr-0001", r"PR-0001 \(printer\) is fixed in the tier devices")


def refused(town: Prefecture, playbook: str, name: str, why: str) -> None:
    before = records(town)
    run = play(town, playbook, "--limit", name)
    assert run.code == 2
    assert run.counts.keys() == {name}
    assert (run.counts[name]["failed"], run.counts[name]["changed"], run.counts[name]["ok"]) == (1, 0, 0)
    assert re.search(why + ", and was left as it is", " ".join(run.text.split())), run.text
    assert records(town) == before


def test_a_dry_run_shows_the_difference_and_leaves_all_as_it_is(prefecture: Prefecture) -> None:
    one, path, unit = idle(prefecture), "/etc/sekisho/supplicant.conf", "sekisho-supplicant"
    wave = prefecture.wave(one.asset)
    prefecture.do(one.name, f"echo '# by hand' >>{path}")
    before = records(prefecture), seen(prefecture, one.name, [path], [unit]), started(prefecture, one.name, unit)
    told = prefecture.sekisho("migrate", "--wave", wave, "--dry-run").stdout
    assert f"{one.name}: The supplicant is configured" in told
    assert "-# by hand" in told
    answer = prefecture.json("migrate", "--wave", wave, "--dry-run")["terminals"][one.asset]
    assert answer == {"outcome": "ok", "reason": "", "changed": 2}  # the file, and the restart
    after = records(prefecture), seen(prefecture, one.name, [path], [unit]), started(prefecture, one.name, unit)
    assert after == before
    assert prefecture.terminal(one.asset).standing == "planned"
    prefecture.do(one.name, f"sed -i '/# by hand/d' {path}")


def test_a_confirmed_terminal_is_settled_again_but_never_prepared(prefecture: Prefecture) -> None:
    one = idle(prefecture)
    try:
        prefecture.sekisho("migrate", "--wave", prefecture.wave(one.asset))
        assert prefecture.terminal(one.asset).standing == "confirmed"
        refused(prefecture, "prepare.yml", one.name, rf"{one.asset} \(staff\) is confirmed in the tier internet")
        nothing_done(play(prefecture, "settle.yml", "--limit", one.name))
        nothing_done(play(prefecture, "terminals.yml", "--limit", one.name, *AT_DESKS))
    finally:
        prefecture.home([one.asset])


def test_a_renewed_device_certificate_restarts_those_who_hold_it(prefecture: Prefecture) -> None:
    units = ("sekisho-supplicant", "rsyslog")
    before = [started(prefecture, "pc-0005", unit) for unit in units]
    serial = prefecture.terminal("PC-0005").serial
    signed = prefecture.state / "ca" / "terminals" / "pc-0005.crt"
    signed.unlink()
    told = play(prefecture, "terminals.yml", "--limit", "pc-0004,pc-0005", *AT_DESKS, "--check")
    assert told.code == 0, told.text[-2000:]
    tasks = ("A new certificate is due", "Restart the supplicant", "Restart the log agent")
    assert told.changed == {("pc-0005", task) for task in tasks}
    assert [started(prefecture, "pc-0005", unit) for unit in units] == before
    assert (prefecture.terminal("PC-0005").serial, signed.exists()) == (serial, False)
    run = play(prefecture, "terminals.yml", "--limit", "pc-0005", *AT_DESKS)
    assert run.code == 0, run.text[-2000:]
    assert {task for _, task in run.changed} == {
        "The certificate and the CA are put in place",
        "Restart the supplicant",
        "Restart the log agent",
    }
    assert all(started(prefecture, "pc-0005", unit) != old for unit, old in zip(units, before, strict=True))
    assert prefecture.terminal("PC-0005").serial != serial
    prefecture.at_desk("PC-0005")
    assert prefecture.row("PC-0005").sid is not None  # a session with the new certificate


def test_services_are_restarted_where_a_run_was_cut_off(prefecture: Prefecture) -> None:
    """It may have ended between a file and the restart of what reads it, and the file tells nothing of that."""
    one = idle(prefecture)
    prefecture.wave(one.asset)
    units = ("sekisho-supplicant", "rsyslog", "sekisho-journal", "sekisho-firewall-log", "sekisho-profile")
    before = [started(prefecture, one.name, unit) for unit in units]
    run = play(prefecture, "prepare.yml", "--limit", one.name)
    assert not run.changed
    assert [started(prefecture, one.name, unit) for unit in units] == before
    run = play(prefecture, "prepare.yml", "--limit", one.name, "-e", json.dumps({"cut_off": [one.name]}))
    assert run.code == 0, run.text[-2000:]
    assert all(started(prefecture, one.name, unit) != old for unit, old in zip(units, before, strict=True))
    prefecture.at_desk(one.asset)


def test_a_renewed_server_certificate_is_served(prefecture: Prefecture) -> None:
    def served() -> str:
        ask = "openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
        return prefecture.do("gyomu", ask)

    before = served()
    (prefecture.state / "ca" / "servers" / "gyomu.crt").unlink()
    told = play(prefecture, "infrastructure.yml", "--limit", "gyomu", "--check")
    assert told.code == 0, told.text[-2000:]
    assert told.changed == {
        ("gyomu", "The CA signs it, unless the certificate still fits"),
        ("gyomu", "Reload the web server"),
    }
    assert served() == before
    run = play(prefecture, "infrastructure.yml", "--limit", "gyomu")
    assert run.code == 0, run.text[-2000:]
    assert run.changed == {
        ("gyomu", "The certificate and the CA are put in place"),
        ("gyomu", "Reload the web server"),
    }
    until(lambda: served() != before, 10, "the web server serves its new certificate")
