"""Where the kernel's audit can be had it tells of every process start: roles, events and rules, on a real kernel."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import BIN, CHECKOUT, NAME, Machine

from corpora import RULES, corpora

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1800)]
PLAYBOOK = "log_shipping.yml"
STARTS = 1000
# What a library in every program does not see: starts by `execvp` and `posix_spawn`, and by programs that are no shell.
UNSEEN = "env LC_ALL=C nice /usr/bin/basename unseen-one; echo unseen-two | xargs /usr/bin/basename"
SPAWNED = 'python3 -c \'import os; os.posix_spawn("/usr/bin/basename", ["basename", "unseen-three"], {})\''
ODD = "/usr/bin/basename -a 'two words' '\"quoted\"' 関所 '' 'a=b'"
RULES_OF_AUDIT = {
    "auditd/execve/lnx_auditd_user_discovery.yml": "/usr/bin/whoami",
    "process_creation/proc_creation_lnx_susp_process_reading_sudoers.yml": "cat /etc/sudoers 2>/dev/null; true",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Its logs are shipped, as a terminal's; the collector is away."""
    with Machine(tmp_path_factory.mktemp("machine")) as one:
        assert "auditd.yml" in one.play(PLAYBOOK), "the role took the kernel's audit"
        yield one


@pytest.fixture(scope="module")
def state(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with everything that was typed."""
    folder = tmp_path_factory.mktemp("state")
    for command in (*RULES_OF_AUDIT.values(), UNSEEN, SPAWNED, ODD):
        machine.do(command)
    machine.do(f"for one in $(seq {STARTS}); do /bin/true; done")
    machine.do("logger -t rehearsal all-was-typed")
    end = time.monotonic() + 300
    while not machine.do("sudo grep -l all-was-typed -r /var/spool/sekisho", code=None):
        assert time.monotonic() < end, "the journal's reader did not come so far"
        time.sleep(1)
    told = sekisho("ingest", machine.sent(folder / "sent.ndjson"), "--json", state=folder)
    assert json.loads(told)["rejected"] == 0
    return folder


def sekisho(*words: str | Path, state: Path) -> str:
    argv = [BIN / "sekisho", *words, "--state", state, "--lang", "en"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def starts(state: Path, query: str) -> list[dict[str, Any]]:
    """The records of process starts that a query finds."""
    told = sekisho("events", "search", f"event.dataset:process {query}", "--json", "--limit", "0", state=state)
    return [one["source"] for one in json.loads(told)]


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    told = machine.play(PLAYBOOK)
    assert re.search(rf"{NAME} .*changed=0 ", told), told


def test_every_start_is_an_event_with_its_parent(machine: Machine, state: Path) -> None:
    found = starts(state, "Image:/usr/bin/true")
    assert len(found) == STARTS
    assert {(one["CommandLine"], one["CurrentDirectory"]) for one in found} == {("/bin/true", "/home/admin")}
    parents = Counter(one.get("ParentImage") for one in found)
    assert parents.keys() <= {"/usr/bin/bash", None}, "known or unknown, and never another"
    assert parents["/usr/bin/bash"] >= 0.98 * STARTS
    assert re.search(rb"^lost 0$", machine.do("sudo auditctl -s"), re.MULTILINE)


def test_starts_of_every_kind_are_seen(state: Path) -> None:
    found = {one["CommandLine"]: one for one in starts(state, "Image:/usr/bin/basename")}
    assert found.keys() == {
        "/usr/bin/basename unseen-one",
        "/usr/bin/basename unseen-two",
        "basename unseen-three",
        '/usr/bin/basename -a two words "quoted" 関所  a=b',
    }
    assert found["basename unseen-three"]["ParentImage"].startswith("/usr/bin/python3")
    assert found["/usr/bin/basename unseen-two"]["ParentImage"] == "/usr/bin/xargs"


@corpora
def test_rules_for_the_audit_log_and_for_process_starts_find_what_was_typed(state: Path) -> None:
    words = [word for name in RULES_OF_AUDIT for word in ("--rules", RULES / "rules" / "linux" / name)]
    told = sekisho("detect", *words, "--store", "--strict", "--json", state=state)
    found = [json.loads(line) for line in told.splitlines()]
    assert {one["logsource"].get("service") for one in found} == {"auditd", None}
    assert {one["host"] for one in found} == {NAME}


def test_a_record_stays_beside_the_event_that_was_joined_of_it(state: Path) -> None:
    query = "event.dataset:auditd type:SYSCALL exe:/usr/bin/true key:process"
    assert int(sekisho("events", "search", "--count", query, state=state)) == STARTS


def test_our_own_playbook_is_no_attack_on_the_audit(machine: Machine, state: Path) -> None:
    rule = CHECKOUT / "detection_rules/logs/audit_configuration_changed/rule.yml"
    assert sekisho("detect", "--rules", rule, "--store", "--json", state=state) == ""
    assert machine.do("sudo auditctl -l").count(b"key=process") == 2, "the rules were loaded"
