"""`sekisho detect` and `sekisho rules check`, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpora import REGRESSION, RULES, corpora, recorded

OURS = Path(__file__).parents[2] / "detection_rules"
SEKISHO = Path(sys.executable).with_name("sekisho")
RULE = {
    "title": "A shell",
    "id": "6f2b5a0e-3d0c-4b0e-9a34-5345b1540002",
    "level": "high",
    "logsource": {"product": "windows", "category": "process_creation"},
    "detection": {
        "s": {"Image|endswith": "\\cmd.exe"},
        "k": {"CommandLine|contains": "whoami"},
        "condition": ["s", "k"],
    },
}
EVENT = {
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "EventID": 1,
    "Hostname": "pc-0001",
    "UtcTime": "2026-11-24 00:00:01.000",
    "Image": "C:\\Windows\\cmd.exe",
    "CommandLine": "cmd /c whoami",
    "User": "A\\b",
}


def run(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(SEKISHO), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "SEKISHO_LANG": "en"},
    )
    assert done.returncode == code, done.stderr
    return done


def alerts(*words: object, code: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--json", code=code).stdout.splitlines()]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    rules, events = tmp_path / "rule.yml", tmp_path / "events.json"
    rules.write_text(yaml.safe_dump(RULE))
    other = {**EVENT, "Image": "C:\\a.exe", "CommandLine": "a"}
    events.write_text("\n".join(map(json.dumps, [other, EVENT, EVENT])) + "\nnot json\n")
    return rules, events, tmp_path / "state"


def test_an_alert_says_what_others_rely_on(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    found = alerts("detect", "--rules", rules, "--events", events, "--state", state)
    assert [one["record"] for one in found] == [2, 3], "twice in a file are two"
    assert len({one.pop("event_id") for one in found}) == 2
    assert found[0] == {
        "rule_id": RULE["id"],
        "rule_title": "A shell",
        "level": "high",
        "timestamp": "2026-11-24T00:00:01+00:00",
        "host": "pc-0001",
        "user": "A\\b",
        "logsource": {"category": "process_creation", "product": "windows"},
        "file": str(events),
        "record": 2,
        "matched": {"Image": EVENT["Image"], "CommandLine": EVENT["CommandLine"]},
    }


def test_several_files_may_follow_an_option(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    found = alerts("detect", "--events", events, events, "--rules", rules, rules, "--state", state)
    assert [one["record"] for one in found] == [2, 3, 2, 3]


def test_the_exit_code_says_only_what_it_was_asked_for(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    words = ("detect", "--rules", rules, "--events", events, "--state", state)
    run(*words, "--fail-on", "critical")
    run(*words, "--fail-on", "high", code=1)
    run(*words, "--fail-on", "low", code=1)
    run(*words, "--fail-on", "severe", code=2)
    run("detect", "--rules", rules, "--state", state, code=2)
    run("detect", "--rules", rules.parent / "gone", "--events", events, "--state", state, code=3)


def test_a_rule_that_is_not_evaluated_is_named(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    (rules.parent / "other.yml").write_text(yaml.safe_dump({**RULE, "id": "x", "detection": {"condition": "gone"}}))
    words = ("detect", "--rules", rules, rules.parent / "other.yml", "--events", events, "--state", state)
    assert "other.yml" in run(*words).stderr
    assert "other.yml" in run(*words).stderr, "from what was kept too"
    assert "other.yml" in run(*words, "--strict", code=2).stderr
    checked = json.loads(run("rules", "check", rules.parent, "--json").stdout)
    assert checked["usable"] == 1
    assert checked["unusable"][0]["reason"]
    run("rules", "check", rules.parent, "--strict", code=1)


def test_what_could_not_be_read_is_counted(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    assert "1 records could not be read" in run("detect", "--rules", rules, "--events", events, "--state", state).stderr


def test_a_line_that_no_rule_could_match_is_counted_too_if_it_is_broken(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    sound = b'{"Channel":"Setup","EventID":7,"a":"b"}\n'
    broken = [sound.replace(b',"a"', b' "a"'), sound.replace(b'"b"', b'"\xff"'), sound.replace(b'"b"', b'"\0"')]
    with events.open("ab") as file:
        file.writelines([sound, *broken, sound])
    assert "4 records could not be read" in run("detect", "--rules", rules, "--events", events, "--state", state).stderr


def test_alerts_stand_in_the_order_of_their_lines_though_they_are_decided_rule_by_rule(
    files: tuple[Path, Path, Path],
) -> None:
    rules, events, state = files
    second = {**RULE, "id": "6f2b5a0e-3d0c-4b0e-9a34-5345b1540003", "detection": {"s": {"User": "B"}, "condition": "s"}}
    rules.write_text(yaml.safe_dump_all([second, RULE]))
    some = [{**EVENT, "User": "B", "Image": "b", "CommandLine": "b"}, {**EVENT, "User": "B"}, EVENT]
    lines = [json.dumps(some[number % 3]) for number in range(3_000)]
    huge = json.dumps(EVENT)[:-1] + ',"x":1e999}'  # what msgspec takes for JSON, and orjson not
    events.write_text("\n".join([*lines, huge]) + "\n")
    words = ("detect", "--rules", rules, "--events", events, "--state", state)
    told = {0: [second["id"]], 1: [second["id"], RULE["id"]], 2: [RULE["id"]]}
    wanted = [(number + 1, key) for number in range(3_000) for key in told[number % 3]]
    for _ in range(2):  # the second time by what was kept
        assert [(one["record"], one["rule_id"]) for one in alerts(*words)] == wanted
    assert "1 records could not be read" in run(*words).stderr


def test_files_whose_names_are_no_utf_8_are_read_and_named(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    odd = [Path(os.fsdecode(os.fsencode(one) + b"\x83\x65")).with_suffix(one.suffix) for one in (rules, events)]
    for one, other in zip((rules, events), odd, strict=True):
        one.rename(other)
    for _ in range(2):
        found = alerts("detect", "--rules", odd[0], "--events", odd[1], "--state", state)
        assert [one["record"] for one in found] == [2, 3]


def test_a_line_that_is_too_long_is_a_line(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    lines = [json.dumps(EVENT), json.dumps({**EVENT, "x": "x" * 17 * 1024 * 1024}), json.dumps(EVENT)]
    events.write_text("\n".join(lines) + "\n")
    for workers in (0, 2):
        words = ("detect", "--rules", rules, "--events", events, "--state", state, "--workers", workers)
        assert [one["record"] for one in alerts(*words)] == [1, 3]
        assert "1 records could not be read" in run(*words).stderr


def test_who_stops_reading_is_no_failure(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    events.write_text((json.dumps(EVENT) + "\n") * 50_000)
    words = [str(SEKISHO), "detect", "--rules", rules, "--events", events, "--json", "--state", state]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdout
        assert reading.stdout.readline()
        reading.stdout.close()
        assert reading.wait(60) == 0
        assert reading.stderr
        assert reading.stderr.read() == b""


def test_without_hyperscan_the_alerts_are_the_same_and_that_is_told_once(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    words = ("detect", "--rules", rules, "--events", events, events, "--state", state)
    gone = state.parent / "gone"
    gone.mkdir()
    (gone / "hyperscan.py").write_text("raise ImportError('there is no wheel for this machine')\n")
    path = os.pathsep.join([str(gone), os.environ.get("PYTHONPATH", "")])
    without = subprocess.run(
        [SEKISHO, *words, "--json"], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert without.stderr.count("Hyperscan") == 1
    assert [json.loads(line) for line in without.stdout.splitlines()] == alerts(*words)
    assert "Hyperscan" not in run(*words).stderr


def test_what_was_kept_and_is_damaged_is_made_again(files: tuple[Path, Path, Path]) -> None:
    rules, events, state = files
    words = ("detect", "--rules", rules, "--events", events, "--state", state)
    first = alerts(*words)
    for path in (state / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    assert alerts(*words) == first == alerts(*words, "--no-cache")


def test_without_rules_the_policys_are_taken(files: tuple[Path, Path, Path]) -> None:
    rules, _, state = files
    hits = OURS / "accounts" / "sudo_refused" / "hit.ndjson"
    words = ("detect", "--events", hits, "--state", state)
    asked = alerts("detect", "--events", hits, "--rules", OURS, "--state", state)
    assert asked
    assert alerts(*words) == asked == alerts(*words, "--no-cache")
    release = rules.parent / "release.zip"
    with zipfile.ZipFile(release, "w") as archive:
        archive.write(rules, "rules/shell.yml")
    run("rules", "import", release, "--state", state)
    assert "policies/detection.yml names" not in run("rules", "list", "--state", state).stderr
    events = ("detect", "--events", files[1], "--state", state)
    assert alerts(*events) == [], "it has no status"
    home = rules.parent / "home"
    (home / "policies").mkdir(parents=True)
    text = (OURS.parent / "policies" / "detection.yml").read_text()
    mended = text.replace("include: []", f"include: [{{id: {RULE['id']}, why: ours to watch}}, {{id: typo, why: x}}]")
    (home / "policies" / "detection.yml").write_text(mended)
    (home / "policies" / "telemetry.yml").write_text((OURS.parent / "policies" / "telemetry.yml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEKISHO_HOME", str(home))
        assert [one["record"] for one in alerts(*events)] == [2, 3]
        listed = run("rules", "list", "--state", state)
    assert f"A shell ({RULE['id']}): include: ours to watch" in listed.stdout
    assert "names typo, which is no rule" in listed.stderr


@corpora
def test_files_and_the_store_give_the_same_alerts_whoever_works(tmp_path: Path) -> None:
    """Some of the recordings in several stretches, and the event logs of the regression tests."""
    big = tmp_path / "big.json"
    with big.open("w") as file:
        for event in recorded(every=3):
            file.write(json.dumps(event) + "\n")
    logs = sorted(REGRESSION.rglob("*.evtx"))[::9]
    state = tmp_path / "state"
    words = ("detect", "--rules", RULES, "--state", state, "--events", big, *logs)
    alone, both = run(*words, "--json", "--workers", "0").stdout, run(*words, "--json", "--workers", "2").stdout
    assert alone == both
    run("ingest", big, *logs, "--state", state)
    stored = alerts("detect", "--rules", RULES, "--state", state, "--store")
    found = [json.loads(line) for line in alone.splitlines()]
    assert len(found) > 300

    def known(some: list[dict[str, Any]]) -> set[tuple[str, ...]]:
        return {
            (one["rule_id"], one["event_id"], json.dumps([one["matched"], one["host"], one["user"], one["timestamp"]]))
            for one in some
        }

    assert known(found) == known(stored)
    times = sorted(one["timestamp"] for one in stored)
    half = times[len(times) // 2]
    words = ("detect", "--rules", RULES, "--state", state, "--store")
    parts = [alerts(*words, "--to", half), alerts(*words, "--from", half)]
    assert all(parts)
    assert known([*parts[0], *parts[1]]) == known(stored)
