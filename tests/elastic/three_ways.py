"""The same files in both stores, and what `sekisho detect` says of them, of the embedded store and of Elasticsearch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from conftest import Place, place_of
from sekisho.telemetry.elastic.settings import Settings

SEKISHO = Path(sys.executable).with_name("sekisho")
SYSMON = "Microsoft-Windows-Sysmon/Operational"
Alert = dict[str, Any]


class Stores(NamedTuple):
    """The same files in both stores: the state folders of the embedded one and of Elasticsearch, and the files."""

    embedded: Path
    place: Place
    files: list[Path]

    def three(self, rules: list[Path], *more: str) -> list[list[Alert]]:
        """The alerts of the files, of the embedded store and of Elasticsearch; all of one rule set."""
        found = [detect(self.embedded, rules, "--events", *map(str, self.files))]
        cache = self.place.folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(self.embedded / "cache", cache)  # to read rules takes long
        return [*found, *self.two(rules, *more)]

    def two(self, rules: list[Path], *more: str) -> list[list[Alert]]:
        """The alerts of both stores."""
        return [detect(state, rules, "--store", *more) for state in (self.embedded, self.place.folder)]


def run(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "SEKISHO_LANG": "en"}
    done = subprocess.run(
        [SEKISHO, *map(str, words)], capture_output=True, text=True, timeout=900, env=env, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def detect(state: Path, rules: list[Path], *words: str, code: int = 0) -> list[Alert]:
    done = run("detect", "--rules", *rules, "--state", state, "--json", *words, code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def stores_of(settings: Settings, folder: Path, batches: list[list[Path]]) -> Stores:
    """The files in both stores, taken in batch by batch."""
    embedded, place = folder / "embedded", place_of(settings, folder)
    for files in batches:
        for state in (embedded, place.folder):
            told = json.loads(
                subprocess.run(
                    [SEKISHO, "ingest", *files, "--state", state, "--json"], capture_output=True, check=False
                ).stdout
            )
            assert told["new"]
            assert not told["refused"]
    return Stores(embedded, place, [file for files in batches for file in files])


def told(alerts: list[Alert]) -> set[str]:
    """What each alert says, each once, but for its place: a file has lines and a store offsets, and of two files that
    have the same record a store has the first.
    """
    return {json.dumps({**one, "file": None, "record": None}, sort_keys=True) for one in alerts}


def agree(found: list[list[Alert]]) -> int:
    """How many alerts all three agree on."""
    files, embedded, elastic = found
    assert elastic == embedded, "in the same order too"
    assert told(files) == told(embedded)
    assert len(told(embedded)) == len(embedded)
    return len(embedded)


def rule(number: int, detection: dict[str, Any], **more: Any) -> dict[str, Any]:
    source = {"product": "windows", "category": "process_creation"}
    return {"title": f"Rule {number}", "id": f"6f2b5a0e-3d0c-4b0e-9a34-5345b155{number:04}", "level": "high",
            "logsource": source, "detection": {**detection, "condition": "s"}, **more}  # fmt: skip


def written(path: Path, rules: list[dict[str, Any]]) -> Path:
    path.write_text(yaml.safe_dump_all(rules, allow_unicode=True))
    return path


def started(second: float, line: str, user: str, **more: Any) -> bytes:
    at = f"2026-11-24T00:{int(second) // 60:02}:{second % 60:09.6f}Z"
    event = {"Channel": SYSMON, "EventID": 1, "EventTime": at, "CommandLine": line, "User": user, "Hostname": "pc-0001"}
    return orjson.dumps({**event, **more}) + b"\n"
