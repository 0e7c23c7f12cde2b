"""The same corpus in both stores: the same searches find the same events, in the same order."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Place, place_of
from recordings import read, sample
from sekisho.core.errors import Missing
from sekisho.telemetry import query
from sekisho.telemetry.elastic import shards, template
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.elastic.store import ElasticStore
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import FIELDS, Event
from sekisho.telemetry.query import Search, Span, Term

FIXED = [
    "",
    "powershell",
    "Image:*\\cmd.exe",
    r'Image:"C:\Windows\System32\cmd.exe"',
    "process.executable:*powershell*",
    "-process.executable:*",
    "Image:*",
    "-Image:*",
    "EventID:1 -User:*SYSTEM*",
    "event.code:4688",
    "EventID:1",
    "CommandLine:*needle",
    "message:*needle*",
    "message:*関所*",
    "関所",
    "User:ünder",
    "User:Ünder",
    "name:istanbul",
    "name:İstanbul",
    "name:i̇stanbul",
    "SourceIp:-",
    'SourceIp:"[*"',
    "SourceIp:*10.0.0.1*",
    "port:9",
    "shape:7",
    "shape:*below*",
    "shape:*text*",
    "shape.below:*",
    "shape:true",
    "shape:1.5",
    "shape:1.50",
    "big:*789*",
    "zero:*0.0",
    "number:0",
    "number:*0",
    "exponent:100.0",
    "long:1.1",
    "twice:first",
    "twice:second",
    "o:*",
    "o.a:1",
    "empty:*",
    "none:*",
    "dotted.key:one",
    "dotted.key:two",
    "host.name:ours",
    "host.name:theirs",
    "host:scalar",
    "host:*theirs*",
    "winlog:*a.exe*",
    "winlog.event_data:*",
    "winlog.event_data.Image:a.exe",
    "Event.EventData.Image:*.exe",
    "Event:*",
    "_id:x",
    "_COMM:SSHD",
    "many1499:1499",
    "many*:1",
    "nul:*after",
    "nul:before",
    "event.id:5",
    "event.original:theirs",
    "a..b:dots",
    "in.in.in:*",
    "list:*[[1]]*",
    'message:"say \\"no\\" \\\\ back/slash"',
    '"a/b"',
    '"100% _x*?"',
    "CommandLine:*100%*",
    "CommandLine:*_x\\*",
    "host.name:* -powershell EventID:1*",
    "process.parent.executable:*explorer.exe",
    "Hostname:WORKSTATION?",
]


@pytest.fixture(scope="module")
def both(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[EmbeddedStore, Place, list[Event]]]:
    """Both stores with the same events."""
    events = sample(120)
    embedded = EmbeddedStore(tmp_path_factory.mktemp("embedded") / "events")
    with embedded.writing() as writer:
        new = writer.put(events).new
    place = place_of(settings, tmp_path_factory.mktemp("elastic"))
    with place.store.writing() as other:
        assert other.put(events).new == new > 1000
        assert other.refused == 0
    yield embedded, place, events
    place.client.close()


def agree(embedded: EmbeddedStore, place: Place, asked: Search, limit: int | None = None) -> int:
    """How many they agree on."""
    wanted = list(embedded.search(asked, limit=limit))
    found = list(place.store.search(asked, limit=limit))
    assert [event.id.hex() for event in found] == [event.id.hex() for event in wanted]
    assert found == wanted
    return len(wanted)


@pytest.mark.parametrize("text", FIXED)
def test_a_query_finds_the_same_in_both(both: tuple[EmbeddedStore, Place, list[Event]], text: str) -> None:
    embedded, place, _ = both
    asked = Search(query.parse(text))
    count = agree(embedded, place, asked)
    assert place.store.count(asked) == embedded.count(asked) == count


def test_the_fixed_queries_find_something(both: tuple[EmbeddedStore, Place, list[Event]]) -> None:
    embedded, _, _ = both
    found = [text for text in FIXED if embedded.count(Search(query.parse(text)))]
    assert len(found) > len(FIXED) * 2 // 3


def test_a_limit_and_a_span_find_the_same_in_both(both: tuple[EmbeddedStore, Place, list[Event]]) -> None:
    embedded, place, events = both
    times = sorted(event.time for event in events if event.time is not None)
    chance = random.Random(3)
    for _ in range(12):
        since, until = sorted(chance.sample(times, 2))
        span = Span(chance.choice([since, None]), chance.choice([until, None]))
        terms = query.parse(chance.choice(["", "powershell", "EventID:1", "-EventID:1"]))
        agree(embedded, place, Search(terms, span), chance.choice([None, 1, 7, 300]))
        assert place.store.count(Search(terms, span)) == embedded.count(Search(terms, span))


def leaves(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield (
                prefix + key,
                value
                if isinstance(value, str)
                else orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode(),
            )


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_queries_made_of_what_is_there_find_the_same_in_both(
    both: tuple[EmbeddedStore, Place, list[Event]], data: st.DataObject
) -> None:
    embedded, place, events = both
    terms = []
    for _ in range(data.draw(st.integers(1, 3))):
        event = data.draw(st.sampled_from(events))
        pairs = [*leaves(orjson.loads(event.source)), *((n, v) for n, v in zip(FIELDS, event.ecs, strict=True) if v)]
        name, value = data.draw(st.sampled_from([pair for pair in pairs if pair[1]] or [("Image", "x")]))
        begin = data.draw(st.integers(0, max(0, min(len(value), 60) - 1)))
        piece = value[begin : begin + data.draw(st.integers(1, 40))]
        shape = data.draw(st.sampled_from(["{}", "*{}*", "{}*", "*{}", "?{}*", "whole", "upper"]))
        text = {"whole": value, "upper": value.upper()}.get(shape) or shape.format(piece)
        field = data.draw(st.sampled_from([name, name, name, name.rpartition(".")[0] or name, None]))
        if field is not None and not query.parse(f'{field}:"x"')[0].field:
            field = None  # a name that no query can have
        terms.append(Term(field, text, data.draw(st.booleans()), shape not in {"{}", "whole", "upper"}))
    agree(embedded, place, Search(terms), data.draw(st.sampled_from([None, 5, 100])))


NEW_DAY = template.index("2031-01-01")


@pytest.fixture
def unassigned(place: Place) -> Iterator[Place]:
    """A store with two events, and a new day's index whose only shard no node may have."""
    with place.store.writing() as writer:
        writer.put(read(b'{"@timestamp":"2026-11-24T00:00:00Z"}\n{"@timestamp":"2026-11-25T00:00:00Z"}'))
    rule = {"index.routing.allocation.require._name": "nobody"}
    place.client.indices.create(index=NEW_DAY, settings=rule, wait_for_active_shards=0)
    yield place
    place.client.indices.delete(index=NEW_DAY)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.count(Search()),
        lambda store: len(list(store.search(Search()))),
        lambda store: sum(day.events for day in store.holds()[0].values()),
    ],
    ids=["count", "search", "days"],
)
def test_a_shard_that_is_about_to_start_is_waited_for(
    unassigned: Place, ask: Callable[[ElasticStore], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()

    def start() -> None:
        refused.wait(300)
        unassigned.client.indices.put_settings(index=NEW_DAY, settings={"index.routing.allocation.require._name": None})

    def sleep(seconds: float) -> None:
        refused.set()  # not before a search was refused
        time.sleep(seconds)

    monkeypatch.setattr(shards, "PATIENCE", 300)
    monkeypatch.setattr(shards, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    starting = threading.Thread(target=start)
    starting.start()
    try:
        assert ask(unassigned.store) == 2
        assert refused.is_set()
    finally:
        refused.set()
        starting.join()


def test_a_shard_that_never_starts_is_told_in_words(unassigned: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PATIENCE", 0.5)
    with pytest.raises(Missing, match="no node has the primary shard") as caught:
        unassigned.store.count(Search())
    assert "store status" in caught.value.hint
