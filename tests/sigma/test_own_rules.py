"""Our own rules: each hits and misses what stands beside it, and a broken copy is told by name for what is broken."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer.main
import yaml

from sekisho.cli import app as front_door
from sekisho.core.errors import BadInput, Missing
from sekisho.detection import load, trial
from sekisho.detection.rules import documents
from sekisho.fleet import hosts
from sekisho.policy import tiers
from test_command import run
from test_documents import quoted, wrong

OURS = Path(__file__).parents[2] / "detection_rules"
JAPAN = ZoneInfo("Asia/Tokyo")
FOLDERS = sorted(path.parent for path in OURS.rglob("rule.yml"))
SINGLE, COUNTED = "accounts/login_not_from_control", "dot1x/eap_failures"
FORM = re.compile(r"attack\.(t\d{4}(\.\d{3})?|[a-z-]+)")


def test_all_of_ours_pass() -> None:
    verdict = trial.tried([OURS], JAPAN)
    assert verdict.faults == ()
    assert len(verdict.rules) == len(FOLDERS) >= 40


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_rule_of_ours_says_all_that_sigma_asks_for(folder: Path) -> None:
    for rule in documents.read(folder / "rule.yml"):
        assert {"title", "id", "status", "description", "author", "date", "tags", "level"} <= rule.keys()
        assert rule["author"] == "Sekisho"
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", rule["id"])
        assert all(FORM.fullmatch(tag) for tag in rule["tags"])
        assert any(re.match(r"attack\.t\d", tag) for tag in rule["tags"])
        assert rule["description"].isascii(), "the Japanese stands in guide.yml"
    assert rule["falsepositives"], "the last document is the one that raises alerts"


def test_their_networks_are_the_policy_s() -> None:
    policy = tiers.read()
    known = {str(one.network) for one in (*policy.tiers.values(), *policy.segments.values())} | {"10.0.0.0/8"}
    told = "".join(path.read_text(encoding="utf-8") for path in OURS.rglob("rule.yml"))
    networks = set(re.findall(r"\b10\.\d+\.\d+\.\d+/\d+", told))
    assert len(networks) > 5
    assert networks <= known
    gates = set(re.findall(r"dst_ip: (10\.\d+\.\d+\.\d+)\n", told))
    found = hosts.read(policy).hosts
    assert gates == {str(found[name].address) for name in ("gyomu", "juki")}, "what the gates try to reach"


def test_their_records_are_told_apart() -> None:
    cursors = re.findall(r'"__CURSOR": "([^"]+)"', "".join(path.read_text() for path in OURS.rglob("*.ndjson")))
    assert len(cursors) == len(set(cursors)) > 100


def test_what_guides_tell_to_run_is_there() -> None:
    front_door._register(None)
    root = typer.main.get_command(front_door.app)
    told = {" ".join(words) for path in OURS.rglob("guide.yml") for words in quoted(path.read_text(encoding="utf-8"))}
    assert {"identity compare", "events silent", "fleet show"} <= told
    assert {words: wrong(root, words.split()) for words in told if wrong(root, words.split())} == {}


def test_a_folder_of_ours_is_read_as_rules_without_its_guides() -> None:
    found = load.load([OURS])
    assert found.unusable == ()
    assert len(found.rules) + len(found.correlations) > len(FOLDERS)


def broken(tmp_path: Path, name: str = SINGLE) -> Path:
    shutil.copytree(OURS / name, tmp_path / name)
    return tmp_path / name


def faults(*paths: Path) -> list[tuple[str, str]]:
    return [(one.rule, one.what.en) for one in trial.tried(paths, JAPAN).faults]


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    some = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    change(some[-1])
    path.write_text(yaml.safe_dump_all(some, allow_unicode=True), encoding="utf-8")


def test_a_copy_as_it_is_passes(tmp_path: Path) -> None:
    assert faults(broken(tmp_path), broken(tmp_path, COUNTED)) == []


@pytest.mark.parametrize("file", ["guide.yml", "hit.ndjson", "miss.ndjson"])
def test_a_file_that_is_missing_is_told(tmp_path: Path, file: str) -> None:
    folder = broken(tmp_path)
    (folder / file).unlink()
    [(rule, what)] = faults(folder)
    assert rule == SINGLE
    assert what.endswith(f"{file} is not there")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda guide: guide.update(note="x"), "note"),
        (lambda guide: guide["means"].pop("en"), "en"),
        (lambda guide: guide["means"].update(ja=""), "ja"),
        (lambda guide: guide.update(first=[]), "first"),
        (lambda guide: guide.pop("false_positives"), "false_positives"),
    ],
)
def test_a_guide_that_lacks_something_is_told_with_its_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    folder = broken(tmp_path)
    changed(folder / "guide.yml", change)
    [(rule, what)] = faults(folder)
    assert rule == SINGLE
    assert re.search(rf"guide\.yml:\d+: .*{told}", what)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rule: rule.pop("title"), "no title"),
        (lambda rule: rule["detection"].update(condition="other"), "no selection 'other'"),
        (lambda rule: rule["logsource"].update(service="of-nobody"), "not known"),
    ],
)
def test_a_rule_that_cannot_be_used_is_told(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    folder = broken(tmp_path)
    changed(folder / "rule.yml", change)
    [(rule, what)] = faults(folder)
    assert rule == SINGLE
    assert told in what


def test_a_rule_without_an_id_is_told(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    changed(folder / "rule.yml", lambda rule: rule.pop("id"))
    assert [(rule, what.rpartition(": ")[2]) for rule, what in faults(folder)] == [(SINGLE, "it has no id")]


@pytest.mark.parametrize("name", [SINGLE, COUNTED])
def test_an_id_that_is_used_twice_is_told(tmp_path: Path, name: str) -> None:
    folder = broken(tmp_path, name)
    twin = folder.with_name("twin")
    shutil.copytree(folder, twin)
    told = faults(folder, twin)
    assert (f"{folder.parent.name}/twin", f"it has the id of {folder / 'rule.yml'}") in told
    assert {rule for rule, _ in told} == {f"{folder.parent.name}/twin"}


def test_an_event_that_is_not_hit_is_told_by_its_line(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    with (folder / "hit.ndjson").open("a", encoding="utf-8") as hits:
        hits.write((folder / "miss.ndjson").read_text(encoding="utf-8").splitlines()[0] + "\n")
    assert faults(folder) == [(SINGLE, "line 2 of hit.ndjson is not hit")]


def test_a_near_miss_that_is_hit_is_told_by_its_line(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    before = len((folder / "miss.ndjson").read_text(encoding="utf-8").splitlines())
    with (folder / "miss.ndjson").open("a", encoding="utf-8") as misses:
        misses.write((folder / "hit.ndjson").read_text(encoding="utf-8"))
    assert faults(folder) == [(SINGLE, f"line {before + 1} of miss.ndjson is hit by {SINGLE}")]


def test_a_near_miss_may_be_hit_by_another_rule_only_if_the_guide_says_so(tmp_path: Path) -> None:
    sweep, other = "tiers/lgwan_sweep_from_internet", "tiers/lgwan_address_from_internet"
    folders = broken(tmp_path, sweep), broken(tmp_path, other)
    assert faults(*folders) == []
    changed(folders[0] / "guide.yml", lambda guide: guide.pop("also"))
    assert faults(*folders)[0] == (sweep, f"line 1 of miss.ndjson is hit by {other}")


def test_a_correlation_is_judged_by_all_of_its_events(tmp_path: Path) -> None:
    folder = broken(tmp_path, COUNTED)
    hits, misses = folder / "hit.ndjson", folder / "miss.ndjson"
    enough = hits.read_text(encoding="utf-8")
    hits.write_text("".join(enough.splitlines(keepends=True)[1:]), encoding="utf-8")
    [(rule, what)] = faults(folder)
    assert (rule, what.startswith("rule "), what.endswith("is not raised by hit.ndjson")) == (COUNTED, True, True)
    hits.write_text(enough, encoding="utf-8")
    misses.write_text(enough, encoding="utf-8")
    assert faults(folder) == [(COUNTED, f"miss.ndjson is hit by {COUNTED}")]


def test_files_without_events_and_records_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    (folder / "miss.ndjson").write_text("\n", encoding="utf-8")
    with (folder / "hit.ndjson").open("a", encoding="utf-8") as hits:
        hits.write('{"half": \n')
    assert [what for _, what in faults(folder)] == [
        "hit.ndjson has 1 records that cannot be read",
        "line 2 of hit.ndjson is not hit",
        "miss.ndjson has no event",
    ]


def test_folders_without_a_rule_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no rule\.yml"):
        trial.tried([tmp_path], JAPAN)
    with pytest.raises(Missing):
        trial.tried([tmp_path / "nowhere"], JAPAN)


def test_the_command(tmp_path: Path) -> None:
    said = json.loads(run("rules", "test", "--json").stdout)
    assert (len(said["rules"]), said["faults"]) == (len(FOLDERS), [])
    folder = broken(tmp_path)
    (folder / "guide.yml").unlink()
    done = run("rules", "test", folder, code=1)
    assert SINGLE in done.stdout
    assert "1 rules tried, 1 failed" in done.stdout
    [fault] = json.loads(run("rules", "test", folder, "--json", code=1).stdout)["faults"]
    assert fault["rule"] == SINGLE
