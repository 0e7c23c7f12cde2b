"""Every exported Lucene query on the real server, beside the engine's alerts on the same events.

python tests/elastic/agreement.py     runs it on a server of its own and writes what it found into docs/export.md
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from elasticsearch import Elasticsearch

from conftest import place_of, server
from recordings import CLOCK, CORPORA, ROOT
from sekisho.detection import load, queries
from sekisho.detection.detect import ASIDE, Detector
from sekisho.detection.export.formats import FORMATS
from sekisho.detection.matching.engine import Engine
from sekisho.detection.queries import Query
from sekisho.detection.records.record import Record
from sekisho.detection.records.routing import routes
from sekisho.detection.scan.scanner import Scanner
from sekisho.telemetry import identity, reading, stream
from sekisho.telemetry.elastic import template
from sekisho.telemetry.elastic.settings import Settings
from sekisho.telemetry.event import Event
from sekisho.telemetry.formats import evtx
from sekisho.telemetry.formats.found import Found
from sekisho.telemetry.reading import Memory, Origin, Piece
from sekisho.telemetry.workers import Workers

OWN = ROOT / "detection_rules"
DOCUMENT = ROOT / "docs" / "export.md"
BEGIN, END = "<!-- by tests/elastic/agreement.py -->\n", "<!-- end -->"
A_RULE = 3  # recorded events that a rule matches, at most: a few say as much as hundreds
EVERY = 100  # and one of so many others
FILES = 3  # of the recordings, one of so many
PAGE = 50  # queries in one request
MOST = 2000  # events that a query may find
_SYSTEM = {"Channel", "EventID", "SourceName", "Hostname", "Message", "Task", "RecordNumber"}


class Verdict(NamedTuple):
    """What a rule's queries found, beside the events that the engine's alerts are about; or why the server refused."""

    query: Query
    wanted: frozenset[str]
    found: frozenset[str]
    refusal: str


class Agreement(NamedTuple):
    """The verdicts on the rules for which there are events, and how many events and exported rules there were."""

    verdicts: list[Verdict]
    events: int
    exported: int


def measured(settings: Settings, folder: Path, *, silent: int = 1) -> Agreement:
    """All of it, on a server; `folder` is an empty state folder. Of rules without alerts one in `silent` is tried."""
    rules = (CORPORA / "sigmahq", OWN)
    engine = Engine(load.load(rules))
    exported = queries.of(rules, FORMATS["lucene"]).queries
    some = list({event.id: event for event in events(engine)}.values())
    near = routed(engine, some)
    firing = {engine.rule(hit).id for event in some for hit in engine.hits(Record(orjson.loads(event.source)))}
    tried = [
        one
        for number, one in enumerate(exported)
        if one.rule.id in near and (one.rule.id in firing or number % silent == 0)
    ]
    place = place_of(settings, folder)
    with place.store.writing() as writer:
        assert writer.put(some).new == len(some)
        assert not writer.refused
    with place.client as client:
        client.indices.refresh(index=template.EVENTS)
        found = list(verdicts(client.options(request_timeout=300), engine, tried, some))
    return Agreement(found, len(some), len(exported))


def events(engine: Engine) -> list[Event]:
    """What the queries are tried on; without times, so that one index has all."""
    paths = sorted((CORPORA / "otrf").rglob("*.zip"))[::FILES]
    recorded = list(sliced(engine, paths))
    checked = [event for path in sorted((CORPORA / "regression").rglob("*.evtx")) for event in read(path)]
    own = [event for path in sorted(OWN.rglob("*.ndjson")) for event in read(path)]
    return [event._replace(time=None) for event in [*recorded, *as_winlogbeat(recorded), *checked, *own]]


def read(path: Path) -> Iterator[Event]:
    """A file's events, as they are ingested."""
    for source in stream.sources(path):
        chunks = stream.Chunks(source.file)
        origin = Origin(source.name, identity.fingerprint(chunks.head))
        if chunks.head.startswith(evtx.MAGIC):
            some = [one for one in evtx.records(chunks.head, source.file) if isinstance(one, Found)]
            yield from reading.known([Piece(number, one.source, one) for number, one in enumerate(some)], origin)[0]
            continue
        memory = Memory()
        for block in stream.blocks(chunks):
            if not isinstance(block, stream.Broken):
                yield from reading.known(reading.in_block(block, memory, CLOCK), origin)[0]
        yield from reading.known(memory.rest(), origin)[0]


def sliced(engine: Engine, paths: Sequence[Path]) -> Iterator[Event]:
    """Some of the recorded events that each rule matches, and one of so many others."""
    detector = Detector(engine, None, Scanner(engine.ruleset.rules, None, ASIDE))
    answers = detector.in_files(paths, ZoneInfo("UTC"), Workers(0))
    counted, matched = Counter[int](), set[str]()
    for match in (match for answer in answers for match in answer.matches):
        counted[match.place] += 1
        if counted[match.place] <= A_RULE:
            matched.add(match.event_id)
    for number, event in enumerate(event for path in paths for event in read(path)):
        if number % EVERY == 0 or event.id.hex() in matched:
            yield event


def as_winlogbeat(some: Iterable[Event]) -> list[Event]:
    """Flat Windows events as a terminal's Winlogbeat would have sent them."""
    records = [record for one in some if "Channel" in (record := orjson.loads(one.source))]
    lines = b"\n".join(orjson.dumps(_winlogbeat(record)) for record in records)
    origin = Origin("winlogbeat", identity.fingerprint(b"winlogbeat"))
    return reading.known(reading.in_block(stream.Block(0, lines), None, CLOCK), origin)[0]


def _winlogbeat(record: dict[str, Any]) -> dict[str, Any]:
    code, provider = str(record["EventID"]), record.get("SourceName")
    return {
        "@timestamp": "2026-11-24T00:00:00Z",
        "event": {"code": code, "provider": provider, "kind": "event"},
        "host": {"name": "shipper"},
        "message": record.get("Message"),
        "winlog": {
            "channel": record["Channel"],
            "event_id": code,
            "provider_name": provider,
            "computer_name": record.get("Hostname"),
            "task": record.get("Task"),
            "event_data": {name: value for name, value in record.items() if name not in _SYSTEM},
        },
    }


def routed(engine: Engine, some: Iterable[Event]) -> set[str]:
    """The ids of rules that are for one of the events."""
    waiting = {rule.id: routes(rule.logsource) for rule in engine.ruleset.rules}
    found: set[str] = set()
    for origin, records in _by_origin(some).items():
        near = {name: [one for one in ways if one.may_take(origin)] for name, ways in waiting.items()}
        new = {name for name, ways in near.items() if any(way.takes(record) for way in ways for record in records)}
        found |= new
        waiting = {name: ways for name, ways in waiting.items() if name not in new}
    return found


def _by_origin(some: Iterable[Event]) -> dict[Any, list[Record]]:
    found: dict[Any, list[Record]] = {}
    for event in some:
        record = Record(orjson.loads(event.source))
        found.setdefault(record.origin, []).append(record)
    return found


def verdicts(
    client: Elasticsearch, engine: Engine, some: Sequence[Query], stored: Iterable[Event]
) -> Iterator[Verdict]:
    """What each rule's queries find, beside what the engine does, in the rules' order."""
    wanted: dict[str, set[str]] = {}
    for event in stored:
        for hit in engine.hits(Record(orjson.loads(event.source))):
            wanted.setdefault(engine.rule(hit).id, set()).add(event.id.hex())
    for page in (some[at : at + PAGE] for at in range(0, len(some), PAGE)):
        searches: list[dict[str, Any]] = []
        for one in page:
            ways = [{"query_string": {"query": text, "analyze_wildcard": True}} for text in one.texts]
            query = {"bool": {"filter": {"bool": {"should": ways}}}}
            searches += [{"index": template.EVENTS}, {"query": query, "size": MOST, "sort": "_doc", "_source": False}]
        answers = client.msearch(searches=searches, max_concurrent_searches=1)["responses"]
        for one, answer in zip(page, answers, strict=True):
            hits = answer["hits"]["hits"] if "hits" in answer else []
            assert len(hits) < MOST
            refusal = orjson.dumps(answer.get("error", "")).decode() if "hits" not in answer else ""
            own = frozenset(wanted.get(one.rule.id, ()))
            yield Verdict(one, own, frozenset(hit["_id"] for hit in hits), refusal)


def differing(some: Iterable[Verdict]) -> list[Verdict]:
    """Those whose queries the server refuses, or that find other events than the engine."""
    return [one for one in some if one.refusal or one.wanted != one.found]


def told(what: Agreement) -> str:
    """What the document says of it."""
    some, others = what.verdicts, differing(what.verdicts)
    alerts, firing = sum(len(one.wanted) for one in some), sum(bool(one.wanted) for one in some)
    lines = [
        f"Of {what.exported:,} exported rules (SigmaHQ's of 2026-08-05 and ours), {len(some):,} are for one of the",
        f"{what.events:,} events: of every third recording up to {A_RULE} for each rule that matches",
        f"and one in {EVERY} others, flat and as Winlogbeat sends them; SigmaHQ's regression tests as EVTX; the hits",
        f"and misses beside our own rules. The engine raises {alerts:,} alerts by {firing:,} rules. The queries of",
        f"{len(some) - len(others):,} rules find the same events, those of {len(others)} do not.",
    ]
    if others:
        lines += ["", "| rule | id | alerts | missed | too many |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {one.query.rule.title} | `{one.query.rule.id}` | {len(one.wanted)} | {_missed(one)} "
            f"| {len(one.found - one.wanted)} |"
            for one in others
        ]
    return "\n".join(lines) + "\n"


def _missed(one: Verdict) -> str:
    return "the server refuses the query" if one.refusal else str(len(one.wanted - one.found))


def listed() -> list[str]:
    """The ids of the rules that the document says differ."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return re.findall(r"^\|[^|]*\| `([^`]+)` \|", text, re.MULTILINE)


def main() -> None:
    with server() as settings, tempfile.TemporaryDirectory() as folder:
        found = told(measured(settings, Path(folder)))
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}{found}{END}{rest.partition(END)[2]}", encoding="utf-8")
    sys.stdout.write(found)


if __name__ == "__main__":
    main()
