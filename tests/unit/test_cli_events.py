"""`sekisho ingest` and `sekisho events`, as an analyst calls them."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from sekisho.core.state import open_state

SEKISHO = Path(sys.executable).with_name("sekisho")
ENVIRONMENT = {"COLUMNS": "200", "PATH": "/usr/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def call(state: Path, *words: str | Path, code: int = 0) -> tuple[str, str]:
    argv = [SEKISHO, *words, "--state", state, "--lang", "en"]
    done = subprocess.run(argv, input="", capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    lines: list[dict[str, Any] | str] = [
        {
            "@timestamp": f"2026-11-24T0{hour}:00:00Z",
            "Hostname": f"pc-000{hour}",
            "EventID": 1,
            "CommandLine": f"cmd {hour}",
        }
        for hour in range(5)
    ]
    lines += [{"@timestamp": "9999-12-31T23:59:59Z", "Hostname": "[/red]", "CommandLine": "=cmd|' /C calc'!A0"}, "junk"]
    (folder / "[red]a.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told, _ = call(folder / "state", "ingest", folder / "[red]a.json", code=1)
    assert told == "6 new events, 0 known before, 1 lines set aside\n"
    told, _ = call(folder / "state", "ingest", folder / "[red]a.json", "--json")
    assert json.loads(told) == {"new": 0, "known": 7, "rejected": 0, "refused": 0}
    return folder / "state"


def test_a_server_that_policy_lets_reach_the_collector_may_be_silent(tmp_path: Path) -> None:
    open_state(tmp_path, create=True).close()
    asked = 1_795_489_200_000_000
    heard = {"asked": asked, "at": {"radius": asked - 59 * 60_000_000, "gyomu": asked - 99 * 60_000_000}}
    (tmp_path / "heard.json").write_text(json.dumps(heard))
    told = json.loads(call(tmp_path, "events", "silent", "--json", code=1)[0])
    assert (told["terminals"], told["servers"]) == (0, 2)
    assert told["silent"] == [{"asset": "core", "since": None}]
    shown, _ = call(tmp_path, "events", "silent", code=1)
    assert "core_router" in shown
    assert "1 of 0 terminals and 2 servers" in shown


def test_search_tells_the_latest_first_and_that_there_are_more(state: Path) -> None:
    told, more = call(
        state, "events", "search", "cmd", "--since", "2026-11-24", "--until", "2026-11-25", "--limit", "2"
    )
    assert [line.split()[0:2] for line in told.splitlines() if "pc-" in line] == [
        ["2026-11-24", "13:00:00"],  # Japan time
        ["2026-11-24", "12:00:00"],
    ]
    assert "only the latest 2" in more
    told, more = call(state, "events", "search", "host.name:pc-0003")
    assert "cmd 3" in told
    assert "only" not in more


def test_search_in_json_csv_and_as_a_number(state: Path) -> None:
    found = json.loads(call(state, "events", "search", "Hostname:pc-000? -CommandLine:*2", "--json")[0])
    assert [one["host.name"] for one in found] == ["pc-0004", "pc-0003", "pc-0001", "pc-0000"]
    assert found[0]["source"]["EventID"] == 1
    assert found[0]["@timestamp"] == "2026-11-24T04:00:00+00:00"
    assert json.loads(call(state, "events", "search", "nothing", "--json")[0]) == []
    assert call(state, "events", "search", "cmd", "--count")[0] == "6\n"
    rows = list(csv.DictReader(io.StringIO(call(state, "events", "search", "calc", "--csv")[0])))
    assert [row["process.command_line"] for row in rows] == ["'=cmd|' /C calc'!A0"]  # nothing that a spreadsheet runs


def test_a_time_that_no_calendar_has_is_shown_all_the_same(state: Path) -> None:
    told, _ = call(state, "events", "search", "calc")
    assert "9999-12-31T23:59:59" in told
    assert "[/red]" in told


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["events", "search", "--since", "yesterday"], 2, "'yesterday' is not a time"),
        (["events", "search", 'a "b'], 2, "cannot be read from here"),
        (
            ["events", "search", "a OR b"],
            2,
            'every term must hold; -word says that it must not; the text itself is "OR"',
        ),
        (["events", "search", "--since", "2026-11-25", "--until", "2026-11-25"], 2, "is not after --since 2026-11-25"),
        (["ingest", "/nowhere/at/all"], 3, "No such file or directory"),
        (["ingest", "/"], 3, "/ cannot be read: it is no ordinary file"),
        (["ingest", "/dev/stdin"], 3, "save what a pipe brings to a file first"),
        (["ingest", "/nowhere/:x:/[red]a"], 3, "/nowhere/:x:/[red]a"),  # shown as it is, and no picture made of it
    ],
)
def test_what_is_wrong_is_told_in_words(state: Path, words: list[str], code: int, told: str) -> None:
    assert told in call(state, *words, code=code)[1]


def test_nothing_in_an_event_speaks_to_the_terminal(tmp_path: Path) -> None:
    """A title, a colour, a line's end and a turned direction of writing, in a command line and in a file's name."""
    hostile = "\x1b]0;title\x07\x1b[31mred\x9b2J\x7f\u202etxt.exe"
    path = tmp_path / "\x1b[31mred.json"
    path.write_text(json.dumps({"@timestamp": "2026-11-24T00:00:00Z", "Hostname": "a\x1bb", "CommandLine": hostile}))
    told = call(tmp_path / "state", "ingest", path)
    shown = call(tmp_path / "state", "events", "search")
    assert not {"\x1b", "\x07", "\x9b", "\x7f", "\u202e"} & set("".join([*told, *shown]))
    assert "␛]0;title␇␛[31mred�2J␡�txt.exe" in shown[0]
    assert json.loads(call(tmp_path / "state", "events", "search", "--json")[0])[0]["process.command_line"] == hostile


def test_a_row_shows_what_was_run_or_said_and_else_the_source(tmp_path: Path) -> None:
    sshd = {
        "__CURSOR": "c",
        "__REALTIME_TIMESTAMP": "1795489200000000",
        "_CMDLINE": "sshd: taro [priv]",
        "_HOSTNAME": "a",
    }
    deep = "[" * 1000 + "]" * 1000
    lines = [
        json.dumps({**sshd, "MESSAGE": "Accepted publickey for taro"}),
        json.dumps({**sshd, "__CURSOR": "d", "MESSAGE": list(b"caf\xe9")}),
        f'{{"@timestamp":"2026-11-24T00:00:00Z","answer":42,"deep":{deep}}}',
    ]
    (tmp_path / "a.json").write_text("\n".join(lines))
    call(tmp_path / "state", "ingest", tmp_path / "a.json")
    shown, _ = call(tmp_path / "state", "events", "search")
    assert all(word in shown for word in ("Accepted publickey for taro", "caf\ufffd", '"answer":42,"deep":[[['))
    told, _ = call(tmp_path / "state", "events", "search", "answer:42", "--json")
    assert deep in told
    assert orjson.loads(told)[0]["source"]["answer"] == 42


def test_who_stops_it_is_told_that_it_can_go_on(tmp_path: Path) -> None:
    path, state = tmp_path / "a.json", tmp_path / "state"
    # It takes some seconds, so that it cannot be done before it is stopped, even if this process has to wait.
    path.write_text("".join(f'{{"n":{number},"text":"{"x" * 100}"}}\n' for number in range(1_000_000)))
    argv = [SEKISHO, "ingest", path, "--state", state, "--lang", "en"]
    run = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (state / "events/lock").exists():
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)  # as the terminal does
    told = run.communicate(timeout=60)[1]
    assert run.returncode == 130, told
    assert "stopped; run the same command again to continue" in told
    assert "Traceback" not in told
    call(state, "ingest", path)
    assert call(state, "events", "search", "--count")[0] == "1000000\n"


def test_a_state_without_events_is_no_empty_answer(tmp_path: Path) -> None:
    assert "has no events yet" in call(tmp_path, "events", "search", "x", code=3)[1]
    assert "has no events yet" in call(tmp_path, "store", "status", code=3)[1]


def test_what_was_set_aside_is_listed_with_its_reason(state: Path) -> None:
    told, _ = call(state, "store", "set-aside")
    assert "neither JSON, nor an audit record, nor a line of syslog" in " ".join(told.split())
    assert '"junk"' in told
    told, _ = call(state, "store", "set-aside", "--json")
    (found,) = [json.loads(line) for line in told.splitlines()]
    assert base64.b64decode(found["raw"]) == b'"junk"'
    assert found["why"] == "neither JSON, nor an audit record, nor a line of syslog"
