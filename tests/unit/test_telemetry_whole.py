"""Files that are JSON but not one object a line: taken in as rules over files read them, and nothing is lost."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.formats import whole
from sekisho.telemetry.formats.found import NotARecord
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search
from sekisho.telemetry.workers import Workers

RECORDS: list[dict[str, Any]] = [{"n": 0, "deep": {"list": [1, "}{"]}}, {"n": 1}, {"n": 2, "text": "\u95a2\n"}]


def take(folder: Path, text: str) -> tuple[Total, list[dict[str, Any]]]:
    path = folder / "events.json"
    path.write_text(text)
    store = EmbeddedStore(folder / "events")
    totals = []
    for _ in range(2):
        with store.writing() as writer:
            totals.append(ingest([path], writer, ZoneInfo("Asia/Tokyo"), lambda _: None, Workers(0)))
    first, again = totals
    assert again == Total(known=sum(first))
    events = sorted(store.search(Search()), key=lambda event: event.offset)
    return first, [orjson.loads(event.source) for event in events]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\ufeff" + json.dumps({"Records": RECORDS}, separators=(",", ":")),
        "\n".join(json.dumps(one, indent=1) for one in RECORDS),
        "\n".join(map(json.dumps, RECORDS)),
    ],
)
def test_each_record_is_an_event(tmp_path: Path, text: str) -> None:
    assert take(tmp_path, text) == (Total(new=3), RECORDS)


def test_what_cannot_be_read_is_kept_aside(tmp_path: Path) -> None:
    total, found = take(tmp_path, json.dumps(RECORDS[0], indent=2) + '\n{\n "n": 1,\n "cut": ')
    assert (total, found) == (Total(new=1, rejected=1), RECORDS[:1])
    assert len(manifests.read(tmp_path / "events").rejects) == 1


@pytest.mark.parametrize(("text", "kept"), [('[{"n": 1}, {"n"', '[{"n": 1}, {"n"'), ('[{"n": 1}, 7]', "7")])
def test_what_cannot_be_read_is_named_with_what_stood_there(text: str, kept: str) -> None:
    found = list(whole.records(text.encode(), io.BytesIO(), ZoneInfo("UTC")))
    assert [one.raw for one in found if isinstance(one, NotARecord)] == [kept.encode()]


def test_a_line_of_text_is_no_array(tmp_path: Path) -> None:
    total, found = take(tmp_path, '[error] a line\n{"n": 1}\n[2026-11-24] another\n')
    assert total.new == 1
    assert total.rejected == 2
    assert found == [{"n": 1}]


@pytest.mark.parametrize("first", ['[{"n": 0}]', "[]", "{", '{"Records":[{"n": 0}]}'])
def test_what_stands_first_hides_nothing_of_the_lines_behind_it(tmp_path: Path, first: str) -> None:
    behind = [] if first == "{" else ["no document"]
    lines = [first, *behind, '{"n": 1}', "neither", '[{"n": 2}]', "  within: something", '{"n": 3}']
    total, found = take(tmp_path, "\n".join(lines))
    assert [one["n"] for one in found if one["n"]] == [1, 2, 3]
    assert total.rejected == 2
