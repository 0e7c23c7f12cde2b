"""Who changes the RADIUS server's table by something else than its one command is told; the command itself never is."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_identity_assign import SCRIPT, Server

MAC = "02:5e:00:00:00:01"
DEVICE = {"asset": "PR-0001", "mac": "02:5e:00:00:00:21", "vlan": 50, "seconds": 1000}


class Watched(Server):
    """The table with its one command, and the program that looks at it by a connection of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        spec = importlib.util.spec_from_file_location("sekisho_lease", SCRIPT.with_name("sekisho_lease.py"))
        assert spec is not None
        assert spec.loader is not None
        program = importlib.util.module_from_spec(spec)
        sys.modules["sekisho_assign"] = self.module
        try:
            spec.loader.exec_module(program)
        finally:
            del sys.modules["sekisho_assign"]
        assert self.ask("enrol", serial="0a", mac=MAC, vlan=10)["done"]
        self.program = program
        self.table: Any = program.Table(self.module.connect())
        assert self.changes() == []

    def changes(self) -> list[str]:
        told: list[str] = self.table.changes()
        return told

    def outside(self, sql: str) -> None:
        """Somebody else, with a connection of his own."""
        other = sqlite3.connect(self.file)
        other.execute(sql)
        other.commit()
        other.close()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE assignment SET vlan = 20", '"PC-0001": vlan 10 -> 20'),
        ("UPDATE assignment SET revoked = 1, lease = 9", '"PC-0001": lease 0 -> 9, revoked 0 -> 1'),
        ("UPDATE assignment SET serial = '0b'", '"PC-0001": serial "0a" -> "0b"'),
        ("UPDATE assignment SET until = 9.5, next = 20", '"PC-0001": until null -> 9.5, next null -> 20'),
        ("DELETE FROM assignment", '"PC-0001" is gone: {"cn": "PC-0001", '),
        ("INSERT INTO assignment (cn, serial, mac, vlan) VALUES ('X\nY', '1', 'm', 20)", '"X\\nY" is new: '),
        ("INSERT INTO fixed VALUES ('025e00000021', 'PR-0009', 50, 1)", '"025e00000021" is new: '),
    ],
)
def test_a_change_from_outside_is_told_once(watched: Watched, sql: str, told: str) -> None:
    watched.outside(sql)
    [line] = watched.changes()
    assert line.startswith(told)
    assert "\n" not in line
    assert watched.changes() == []


def test_what_the_command_does_is_not_told(watched: Watched) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("cross", {"vlan": 21, "back": 10, "seconds": 60}),
        ("confirm", {"vlan": 20}),
        ("quarantine", {"vlan": 30, "from": 20}),
        ("release", {"vlan": 10, "from": 30}),
        ("revoke", {}),
        ("enrol", {"serial": "0b", "mac": MAC, "vlan": 10}),
        ("fix", {"devices": [DEVICE]}),
        ("fix", {"devices": []}),
    ]
    for word, facts in asked:
        assert watched.ask(word, **facts)["done"], word
        assert watched.changes() == [], word


def test_a_claim_of_freeradius_is_not_told(watched: Watched) -> None:
    watched.outside("UPDATE assignment SET nas = 'sw1/pc-0001', station = 'x', sid = 'A1', claimed = 1.0")
    assert watched.changes() == []


def test_a_look_in_the_midst_of_a_request_tells_nothing(watched: Watched) -> None:
    """The switch is asked between the change and its answer, for seconds, and then the change may be undone."""
    watched.session()
    seen: list[list[str]] = []

    def look(_row: sqlite3.Row) -> str:
        seen.append(watched.changes())
        return "silent"

    watched.module.disconnect = look
    assert not watched.cross()["done"]
    assert [*seen, watched.changes()] == [[], []]
    assert watched.row()["vlan_now"] == 10


def test_a_request_for_one_terminal_explains_no_other(watched: Watched) -> None:
    assert watched.ask("enrol", cn="PC-0002", serial="0c", mac="02:5e:00:00:00:02", vlan=10)["done"]
    watched.outside("UPDATE assignment SET vlan = 20 WHERE cn = 'PC-0001'")
    assert watched.changes() == ['"PC-0001": vlan 10 -> 20']


def test_a_request_that_was_answered_explains_nothing_later(watched: Watched) -> None:
    assert watched.cross()["done"]
    assert watched.changes() == []
    watched.outside("UPDATE assignment SET vlan = 20")
    assert watched.changes() == ['"PC-0001": vlan 21 -> 20']


def test_a_request_that_was_killed_does_not_explain_for_ever(watched: Watched) -> None:
    watched.outside("INSERT INTO journal VALUES (1.0, 'cross', 'PC-0001', '', '')")  # begun long ago, never answered
    assert watched.changes() == []
    watched.outside("UPDATE assignment SET vlan = 20")
    assert watched.changes() == ['"PC-0001": vlan 10 -> 20']


def test_a_row_that_cannot_be_read_is_told_and_ends_nothing(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    watched.outside("INSERT INTO assignment (cn, serial, mac, vlan) VALUES (CAST(x'ff41' AS TEXT), '1', 'm', 20)")
    for _ in range(2):
        watched.program.look(watched.table)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("<3>the table of assignments cannot be read: ")
    watched.outside("DELETE FROM assignment WHERE mac = 'm'")
    watched.outside("UPDATE assignment SET vlan = 20")
    watched.program.look(watched.table)
    assert capsys.readouterr().out == '<4>changed outside of the tool: "PC-0001": vlan 10 -> 20\n'
    assert watched.ask("cross", vlan=21, back=20, seconds=60)["done"]


ACTS = st.sampled_from(["cross", "give_back", "confirm", "outside", "look"])


@settings(max_examples=60)
@given(acts=st.lists(ACTS, max_size=12))
def test_in_any_order_only_what_comes_from_outside_is_told(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    watched = Watched(tmp_path_factory.mktemp("table"))
    told, expected = [], 0
    for number, act in enumerate(acts, 1):
        if act == "look":
            told += watched.changes()
        elif act == "outside":
            told += watched.changes()  # what the command did is explained before
            watched.outside(f"UPDATE assignment SET gate = 'by hand {number}'")
            told += watched.changes()
            expected += 1
        else:
            facts = {"vlan": 20} if act == "confirm" else {"vlan": 21, "back": 10, "seconds": 60}
            watched.ask(act, **(facts if act != "give_back" else {}), lease=number)
    told += watched.changes()
    assert len(told) == expected
    assert all("by hand" in line for line in told)
