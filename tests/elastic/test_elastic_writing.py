"""Writing into Elasticsearch: each event once, what is refused is kept, and the commands work on it as on the other."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import accumulate
from pathlib import Path

import orjson
import pytest

from conftest import Place
from recordings import read, sample
from sekisho.core.clock import JAPAN, now
from sekisho.core.errors import BadInput, Missing
from sekisho.telemetry import migrate, stores, stretches
from sekisho.telemetry.elastic import connection, template
from sekisho.telemetry.elastic.bulk import Writer
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.elastic.store import ElasticStore
from sekisho.telemetry.event import Reject
from sekisho.telemetry.ingest import Total, ingest
from sekisho.telemetry.query import Search
from sekisho.telemetry.store import Added
from sekisho.telemetry.workers import Workers

ENVIRONMENT = {"COLUMNS": "200", "PATH": "/usr/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
SEKISHO = Path(sys.executable).with_name("sekisho")


def call(state: Path, *words: str | Path, code: int = 0) -> str:
    argv = [SEKISHO, *words, "--state", state, "--lang", "en"]
    done = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def numbered(count: int) -> bytes:
    """Lines over some days, among them equal ones."""
    days = [f"2026-11-{10 + number % 9}T00:00:00Z" for number in range(count)]
    return b"".join(orjson.dumps({"@timestamp": day, "text": "x" * 50}) + b"\n" for day in days)


def test_an_event_that_comes_again_is_known(place: Place) -> None:
    events = read(numbered(1300))
    with place.store.writing() as writer:
        assert writer.put(events[:900]) == Added(900)
        assert writer.put(events, [Reject(b"r" * 16, b"\xff junk", "why", "file", 7)]) == Added(400, 1)
        assert writer.put(events, [Reject(b"r" * 16, b"\xff junk", "why", "file", 7)]) == Added()
    assert place.store.count(Search()) == 1300
    assert place.told == []


def test_a_batch_may_begin_before_the_one_before_has_ended(place: Place) -> None:
    events = read(numbered(2600))
    with place.store.writing() as writer:
        ends = [writer.begin(events[begin : begin + 900]) for begin in range(0, 2600, 800)]
        added = [end() for end in ends]
    assert sum(one.new for one in added) == place.store.count(Search()) == 2600


def test_several_workers_read_a_file_for_it_and_each_event_is_there_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "_SMALLEST", 20_000)
    monkeypatch.setattr(Writer, "largest", 20_000)
    path = place.folder / "a.json"
    path.write_bytes(numbered(1300))
    for wanted in (Total(1300, 0, 0), Total(0, 1300, 0)):
        with Workers(2) as workers, place.store.writing() as writer:
            assert ingest([path], writer, JAPAN, lambda _: None, workers) == wanted
    found = sorted(event.offset for event in place.store.search(Search()))
    lines = path.read_bytes().splitlines(keepends=True)
    assert found == list(accumulate(map(len, lines[:-1]), initial=0))


def test_a_second_writer_is_refused(place: Place) -> None:
    with (
        place.store.writing(),
        pytest.raises(BadInput, match="another command is writing"),
        place.store.writing(),
    ):
        pass


def test_what_is_refused_for_what_it_is_lies_among_the_dead_letters_until_it_is_sent_again(place: Place) -> None:
    events = read(b'{"Level":"high"}\n{"Level":"7"}\n{"Level":"low"}\n{"other":1}')
    index = template.index("undated")
    place.client.indices.create(index=index, mappings={"properties": {"Level": {"type": "integer"}}})
    with place.store.writing() as writer:
        assert writer.put(events) == Added(new=2, refused=2)
        assert writer.refused == 2
    (file,) = place.store.letters.files()
    assert file.stat().st_mode & 0o777 == 0o600
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert [letter["id"] for letter in letters] == [events[0].id.hex(), events[2].id.hex()]
    assert all("document_parsing_exception" in letter["why"] for letter in letters)
    assert json.loads(call(place.folder, "store", "replay", "--json", code=1)) == {"new": 0, "refused": 2}
    assert place.store.letters.count() == 2
    place.client.indices.delete(index=index)
    assert json.loads(call(place.folder, "store", "replay", "--json")) == {"new": 2, "refused": 0}
    assert place.store.letters.files() == []
    assert sorted(place.store.search(Search())) == sorted([events[0], events[2]])


def test_a_file_of_which_something_is_refused_is_told_so(place: Place) -> None:
    place.client.indices.create(
        index=template.index("undated"), mappings={"properties": {"Level": {"type": "integer"}}}
    )
    path = place.folder / "a.json"
    path.write_bytes(b'{"Level":"low"}\n{"Level":"7"}\n')
    told = json.loads(call(place.folder, "ingest", path, "--json", code=1))
    assert told == {"new": 1, "known": 0, "rejected": 0, "refused": 1}
    assert "refused 1" in call(place.folder, "ingest", path, code=1)


def test_a_newer_template_is_not_written_over(place: Place) -> None:
    body = template.body(0)
    place.client.indices.put_index_template(name="sekisho", body={**body, "version": template.VERSION + 1})
    try:
        with pytest.raises(BadInput, match="newer sekisho"), place.store.writing():
            pass
    finally:
        template.put(place.client, 0)


def test_days_end_by_their_last_arrival(place: Place) -> None:
    old, new = read(b'{"@timestamp":"2026-11-24T00:00:00Z"}'), read(b'{"@timestamp":"2015-01-01T00:00:00Z"}\n{"x":1}')
    lines = [Reject(bytes([number]) * 16, b"%d" % number, "why", "file", number) for number in range(3)]
    with place.store.writing() as writer:
        writer.put(old, lines[:2], arrived="2025-01-01T00:00:00.000Z")
        writer.put(new, lines[2:])
    assert place.store.expire(400, now() - timedelta(days=300)) == (0, 0)
    assert json.loads(call(place.folder, "store", "tidy", "--json")) == {
        "expired": 1, "set_aside_expired": 2, "parts_fewer": 0
    }  # fmt: skip
    assert [one.reject.raw for one in place.store.set_aside()] == [b"2"]
    assert sorted(place.store.search(Search())) == sorted(new)
    assert set(json.loads(call(place.folder, "store", "status", "--json"))["days"]) == {"2015-01-01", "undated"}


def test_commands_work_on_it(place: Place) -> None:
    lines = [{"@timestamp": f"2026-11-24T0{hour}:00:00Z", "Hostname": f"pc-{hour}", "EventID": 1} for hour in range(5)]
    path = place.folder / "a.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "junk\n")
    assert call(place.folder, "ingest", path, code=1) == "5 new events, 0 known before, 1 lines set aside\n"
    path.write_text(path.read_text() + json.dumps({"Hostname": "pc-9"}) + "\n")  # a short file that has grown
    assert call(place.folder, "ingest", path) == "1 new events, 6 known before, 0 lines set aside\n"
    assert call(place.folder, "events", "search", "--count", "host.name:pc-*") == "6\n"
    told = call(place.folder, "events", "search", "--limit", "2", "host.name:pc*")
    assert told.index("pc-4") < told.index("pc-3")
    found = json.loads(call(place.folder, "store", "status", "--json"))
    assert (found["events"], found["set_aside"], found["dead_letters"]) == (6, 1, 0)
    assert {name: day["events"] for name, day in found["days"].items()} == {"2026-11-24": 5, "undated": 1}
    assert "6 events, 1 lines set aside" in call(place.folder, "store", "status")
    (aside,) = map(json.loads, call(place.folder, "store", "set-aside", "--json").splitlines())
    assert (aside["log.file.path"], base64.b64decode(aside["raw"])) == (str(path), b"junk")


def test_an_embedded_store_moves_and_is_the_same_afterwards(place: Place, settings: Settings) -> None:
    state = place.folder
    events = sample(400)
    rejects = [Reject(bytes([number]) * 16, b"junk \xff", "why", "file", number) for number in range(9)]
    embedded = stores.embedded(state)
    with embedded.writing() as writer:
        for begin in range(0, len(events), 100):
            writer.put(events[begin : begin + 100], rejects)
    wanted = list(embedded.search(Search()))
    (state / "store.yml").unlink()
    words = ["--ca-file", settings.ca_file, "--user", settings.user, "--password-file", settings.password_file]
    told = call(state, "store", "init", "--elasticsearch", settings.urls[0], *map(str, words), "--replicas", "0")
    assert "Elasticsearch 8" in told
    assert "store migrate" in told
    assert (state / "store.yml").stat().st_mode & 0o777 == 0o600
    assert "may be removed" in call(state, "store", "migrate")
    assert list(place.store.search(Search())) == wanted
    assert place.store.holds()[1] == len(rejects)
    arrived = {part.partition: part.arrived for part in embedded.manifest().parts}
    assert {day: one.arrived for day, one in place.store.holds()[0].items()}.keys() == arrived.keys()
    assert json.loads(call(state, "store", "migrate", "--json"))["new"] == 0
    place.client.indices.delete(index=template.index(next(iter(arrived))))
    assert "fewer" in refused(state, "store", "migrate")
    (state / "migrate.json").unlink()
    call(state, "store", "migrate")
    assert list(place.store.search(Search())) == wanted


def refused(state: Path, *words: str) -> str:
    argv = [SEKISHO, *words, "--state", state, "--lang", "en"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_migration_that_is_stopped_goes_on(place: Place) -> None:
    embedded = stores.embedded(place.folder)
    with embedded.writing() as writer:
        for part in range(4):
            writer.put(read(numbered(900), f"file {part}"))

    def stop(moved: migrate.Moved) -> None:
        if moved.rows > 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate.migrate(embedded, place.store, place.folder, stop)
    moved = migrate.migrate(embedded, place.store, place.folder, lambda _: None)
    assert 0 < moved.new < 3600
    assert moved.rows == moved.all == 3600 == place.store.count(Search())


def test_another_ca_is_not_believed(place: Place, settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    key = tmp_path / "other.key"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=other",
        "-keyout",
        key,
        "-out",
        other,
    ]
    subprocess.run(make, check=True, capture_output=True)
    for ca in (other, None):
        store = ElasticStore(settings.model_copy(update={"ca_file": ca}), tmp_path, lambda _: None)
        with pytest.raises(Missing, match="TLS"):
            store.count(Search())


def test_a_wrong_password_is_told_with_what_to_do(settings: Settings, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("wrong\n")
    store = ElasticStore(settings.model_copy(update={"password_file": wrong}), tmp_path, lambda _: None)
    with pytest.raises(Missing, match="the password") as caught, store.writing():
        pass
    assert "401" in caught.value.what


def test_the_server_is_asked_what_it_can_do(place: Place) -> None:
    with place.store.client() as client:
        server = connection.ask(client)
    assert server.largest == 100 * 1024 * 1024
    assert set(server.abilities) >= {"GET /", "ILM"}
