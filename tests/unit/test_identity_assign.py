"""The RADIUS server's table: compare-and-set, leases, and what a silent switch leaves behind."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import pwd
import re
import sqlite3
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "playbooks/roles/radius/files/sekisho_assign.py"
PC = "PC-0001"


def load(database: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sekisho_assign", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DATABASE = str(database)
    return module


class Server:
    """The forced command on a real SQLite file; `switch` is what the switch says to a Disconnect-Request."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "assign.db"
        self.module = load(self.file)
        self.database: sqlite3.Connection = self.module.connect()
        self.switch = "ack"
        self.module.disconnect = lambda row: self.switch if row["sid"] else "none"
        self.told: list[str] = []  # what went to the system's journal
        self.module.tell = self.told.append

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        request = {"do": do, "cn": PC, "wave": "pilot", "gate": "entry:passed", "lease": 1, **words}
        said: dict[str, Any] = self.module.answer(self.database, json.dumps(request))
        return said

    def cross(self, **words: Any) -> dict[str, Any]:
        return self.ask("cross", **{"vlan": 21, "back": 10, "seconds": 60, **words})

    def row(self) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.ask("table")["rows"]
        return rows[0]

    def session(self, sid: str = "A1") -> None:
        self.database.execute("UPDATE assignment SET nas = 'sw1/pc-0001', station = 'x', sid = ?", (sid,))

    def end_lease(self) -> None:
        self.database.execute("UPDATE assignment SET until = ?", (time.time() - 0.001,))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(tmp_path)
    assert server.ask("enrol", serial="0a", mac="02:5e:00:00:00:01", vlan=10)["done"]
    return server


def test_a_crossing_is_a_lease_that_goes_home_by_itself(server: Server) -> None:
    assert server.cross()["done"]
    assert server.row()["vlan_now"] == 21
    server.end_lease()
    assert server.row()["vlan_now"] == 10


def test_a_confirmation_before_the_end_opens_the_tier(server: Server) -> None:
    server.cross()
    assert server.ask("confirm", vlan=20)["done"]
    assert (server.row()["vlan_now"], server.row()["left"]) == (20, None)


def test_a_late_confirmation_fails(server: Server) -> None:
    server.cross()
    server.end_lease()
    assert not server.ask("confirm", vlan=20)["done"]
    assert server.row()["vlan_now"] == 10


def test_a_confirmation_of_another_lease_fails(server: Server) -> None:
    server.cross(lease=7)
    assert not server.ask("confirm", vlan=20, lease=6)["done"]
    assert server.row()["vlan_now"] == 21


def test_a_lease_number_is_used_once(server: Server) -> None:
    server.cross()
    server.ask("give_back")
    assert not server.cross()["done"]
    assert server.cross(lease=2)["done"]


def test_a_silent_switch_leaves_the_terminal_in_its_old_tier(server: Server) -> None:
    server.session()
    server.switch = "silent"
    said = server.cross()
    assert not said["done"]
    assert "acknowledge" in said["why"]
    assert (server.row()["vlan_now"], server.row()["left"]) == (10, None)
    given_back = server.ask("give_back")  # what resuming asks after a crash at this point
    assert (given_back["done"], given_back["already"]) == (True, True)


def test_who_authenticates_while_the_switch_is_silent_keeps_the_lease(server: Server) -> None:
    server.session()

    def silent(_row: sqlite3.Row) -> str:
        server.database.execute("UPDATE assignment SET sid = 'B2', claimed = ?", (time.time(),))
        return "silent"

    server.module.disconnect = silent
    said = server.cross()
    assert not said["done"]
    assert "meanwhile" in said["why"]
    assert (server.row()["vlan_now"], server.row()["next"]) == (21, 10)


def test_the_session_that_is_ended_is_the_one_at_the_moment_of_the_change(server: Server) -> None:
    server.session("A1")
    ended = []
    server.module.disconnect = lambda row: ended.append(row["sid"]) or "ack"
    read = server.module.row_of

    def read_and_authenticate(database: sqlite3.Connection, cn: str) -> sqlite3.Row:
        row: sqlite3.Row = read(database, cn)
        server.session("B2")  # between reading the row and changing it
        return row

    server.module.row_of = read_and_authenticate
    assert server.cross()["done"]
    assert ended == ["B2"]


def test_the_list_of_devices_tells_whether_it_changed(server: Server) -> None:
    device = {"asset": "PR-0001", "mac": "02:5e:00:00:00:21", "vlan": 50, "seconds": 1000}
    assert server.ask("fix", devices=[device])["changed"]
    assert not server.ask("fix", devices=[device])["changed"]
    assert not server.ask("fix", devices=[{**device, "mac": "rubbish"}])["done"]
    assert not server.ask("fix", devices=[device])["changed"]  # what could not be read changed nothing
    assert server.ask("fix", devices=[])["changed"]


def test_giving_back_twice_is_giving_back_once(server: Server) -> None:
    server.cross()
    assert server.ask("give_back")["done"]
    assert server.ask("give_back")["done"]
    assert server.row()["vlan_now"] == 10


def test_a_confirmed_terminal_is_not_given_back(server: Server) -> None:
    server.cross()
    server.ask("confirm", vlan=20)
    assert not server.ask("give_back")["done"]
    assert server.row()["vlan_now"] == 20


def test_enrolling_again_moves_nothing(server: Server) -> None:
    server.cross()
    assert server.ask("enrol", serial="0b", mac="02:5e:00:00:00:01", vlan=10)["done"]
    assert server.row()["vlan_now"] == 21


def test_a_revoked_terminal_neither_crosses_nor_is_confirmed(server: Server) -> None:
    server.cross()
    assert server.ask("revoke")["done"]
    assert not server.ask("confirm", vlan=20)["done"]
    assert not server.cross(lease=2)["done"]


@pytest.mark.parametrize("missing", ["wave", "gate", "lease"])
def test_a_write_needs_wave_gate_and_lease(server: Server, missing: str) -> None:
    assert not server.cross(**{missing: None})["done"]
    assert server.row()["vlan_now"] == 10


@pytest.mark.parametrize("seconds", [0, -1, 86401, 1.5, "60", True])
def test_only_a_duration_comes_in(server: Server, seconds: object) -> None:
    assert not server.cross(seconds=seconds)["done"]


@pytest.mark.parametrize("line", ["", "[]", "1", "{", '{"do": "drop"}', '{"do": "cross"}', '{"do": ["cross"]}'])
def test_rubbish_is_refused_and_changes_nothing(server: Server, line: str) -> None:
    said = server.module.answer(server.database, line)
    assert said["done"] is False
    assert server.row()["vlan_now"] == 10


def test_each_change_is_a_line_of_the_systems_journal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.9.0.10 57710 10.9.0.3 22")
    server.told.clear()
    server.cross(lease=7)
    server.cross(lease=7)
    server.ask("table")
    server.ask("fix", devices=[], dry_run=True)
    who = f"by={pwd.getpwuid(os.getuid()).pw_name} from=10.9.0.10"
    assert server.told == [
        f"cross PC-0001 done={done} wave=pilot lease=7 gate=entry:passed vlan=21 {who}" for done in ("yes", "no")
    ]


HOSTILE = ["x from=10.9.0.10", "a\nrevoke PC-0002 done=yes", "試行 1", "", "x" * 5000, "\u2028="]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_value_passes_for_no_other_field_of_the_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    server.told.clear()
    server.ask("revoke", wave=hostile, gate=hostile)
    server.ask(hostile, cn=hostile)
    form = r"\S+ \S+ done=\w+ wave=\S+ lease=1 gate=\S+ vlan=- by=\S+ from=-"
    assert len(server.told) == 2
    assert all(re.fullmatch(form, line) and line.count("=") == 7 and len(line) < 500 for line in server.told)


def test_what_is_asked_stands_in_the_table_before_anything_is_changed(server: Server) -> None:
    server.session()
    there = []

    def look(_row: sqlite3.Row) -> str:
        there.extend(map(tuple, sqlite3.connect(server.file).execute("SELECT what, cn, answer FROM journal")))
        return "ack"

    server.module.disconnect = look
    assert server.cross()["done"]
    assert there[-1] == ("cross", PC, "")
    kept = [json.loads(row["answer"]) for row in server.database.execute("SELECT answer FROM journal")]
    assert all(one["done"] for one in kept)


def _racer(file: Path, word: str, at: float, answers: Any) -> None:
    module = load(file)
    module.disconnect = lambda row: "ack" if row["sid"] else "none"
    module.tell = [].append
    database = module.connect()
    request = {"do": word, "cn": PC, "lease": 1, "wave": "pilot", "gate": "exit:passed", "vlan": 20}
    while time.time() < at:
        pass
    answers.put((word, module.answer(database, json.dumps(request))["done"]))


def test_confirm_and_give_back_race_and_one_wins(server: Server) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    server.cross()
    at = time.time() + 1.5
    words = ["confirm", "give_back"]
    racers = [context.Process(target=_racer, args=(server.file, word, at, answers)) for word in words]
    for racer in racers:
        racer.start()
    outcomes = dict(answers.get(timeout=20) for _ in racers)
    for racer in racers:
        racer.join()
    assert sorted(outcomes.values()) == [False, True]
    assert server.row()["vlan_now"] == (20 if outcomes["confirm"] else 10)
