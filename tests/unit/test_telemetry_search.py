"""A search of the embedded store finds what a plain reading of the events finds; a query is read as it is meant."""

from __future__ import annotations

import fnmatch
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.core.errors import BadInput
from sekisho.telemetry import ecs, query
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.event import FIELDS, Event
from sekisho.telemetry.query import Search, Span
from test_telemetry_store import take

WORDS = ["PC-0001", "pc-0002", r"C:\Windows\cmd.exe", "100%", "a_b", "関所", 'say "no"', "-", "powershell", "Ünder"]
KEYS = ["Hostname", "Image", "CommandLine", "User", "EventID", "odd.key"]
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"@timestamp": st.sampled_from(["2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", "2099-01-01T00:00:00Z", "?"])},
        optional={key: st.sampled_from([*WORDS, 7]) for key in KEYS},
    ),
    min_size=1,
    max_size=12,
)
TERMS = st.one_of(
    st.sampled_from(WORDS).map(lambda word: query.Term(None, word, False, False)),
    st.builds(
        query.Term,
        st.sampled_from(["host.name", "process.executable", "Hostname", "odd.key", "EventID", "event.code"]),
        st.sampled_from([*WORDS, "7", "pc*", "*cmd.exe", "p?-000?", "*"]),
        st.booleans(),
        st.just(True),
    ),
)


def holds(record: dict[str, Any], term: query.Term) -> bool:
    """The obvious evaluation of a term."""
    if term.field is None:
        return any(term.value.lower() in str(value).lower() for value in record.values()) is not term.negated
    beside = dict(zip(FIELDS, ecs.of(record), strict=True))
    value = beside[term.field] if term.field in FIELDS else record.get(term.field)
    pattern = term.value.replace("[", "[[]").lower()
    return (value is not None and fnmatch.fnmatchcase(str(value).lower(), pattern)) is not term.negated


@settings(max_examples=60)
@given(records=RECORDS, terms=st.lists(TERMS, max_size=3), escaped=st.booleans())
def test_a_search_finds_what_a_plain_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], terms: list[query.Term], escaped: bool
) -> None:
    folder = tmp_path_factory.mktemp("search")
    records = [{**record, "serial": f"n{number}"} for number, record in enumerate(records)]
    write = (lambda one: json.dumps(one).encode()) if escaped else orjson.dumps
    (folder / "a.json").write_bytes(b"".join(write(record) + b"\n" for record in records))
    store = EmbeddedStore(folder / "events")
    take(store, folder / "a.json")
    found = list(store.search(Search(terms)))
    wanted = {record["serial"] for record in records if all(holds(record, term) for term in terms)}
    assert {json.loads(event.source)["serial"] for event in found} == wanted
    assert len(found) == len(wanted) == store.count(Search(terms))
    assert [key(event) for event in found] == sorted(map(key, found))


def key(event: Event) -> tuple[bool, int, bytes]:
    return event.time is None, -(event.time or 0), event.id


@given(since=st.integers(0, 9), until=st.integers(0, 9))
@settings(max_examples=30)
def test_a_span_holds_its_beginning_and_not_its_end(
    tmp_path_factory: pytest.TempPathFactory, since: int, until: int
) -> None:
    folder = tmp_path_factory.mktemp("span")
    days = [f"2026-11-{20 + day}T00:00:00Z" for day in range(8)]
    (folder / "a.json").write_bytes(b"".join(orjson.dumps({"@timestamp": day}) + b"\n" for day in days))
    store = EmbeddedStore(folder / "events")
    take(store, folder / "a.json")
    first = next(iter(reversed(list(store.search(Search()))))).time or 0
    day = 86_400_000_000
    span = Span(first + since * day, first + until * day)
    assert store.count(Search((), span)) == len(range(since, min(until, 8)))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  powershell ", [(None, "powershell", False, False)]),
        ("host.name:pc-0001", [("host.name", "pc-0001", False, False)]),
        ('-user.name:"a b"', [("user.name", "a b", True, False)]),
        (
            r"C:\Windows\cmd.exe http://a.b/c",
            [(None, r"C:\Windows\cmd.exe", False, False), (None, "http://a.b/c", False, False)],
        ),
        (r'"say \"no\" *"', [(None, 'say "no" *', False, False)]),
        ("Image:*\\cmd.exe", [("Image", "*\\cmd.exe", False, True)]),
        ("Image:/usr/bin/true", [("Image", "/usr/bin/true", False, False)]),
        (r"Path:\\server\share c:/x", [("Path", r"\\server\share", False, False), (None, "c:/x", False, False)]),
        (
            "winlog.event_data.Image:x 10:20",
            [("winlog.event_data.Image", "x", False, False), (None, "10:20", False, False)],
        ),
    ],
)
def test_a_query_is_read_as_it_is_meant(text: str, terms: list[tuple[Any, ...]]) -> None:
    assert [tuple(term) for term in query.parse(text)] == terms


def test_a_query_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(BadInput, match="not in UTF-8"):
        query.parse("\udcff")


@pytest.mark.parametrize("word", ["AND", "OR", "NOT"])
def test_what_other_query_languages_mean_by_a_word_is_not_looked_for_as_text(word: str) -> None:
    with pytest.raises(BadInput, match=f"a query has no {word}"):
        query.parse(f"powershell {word} cmd")
    assert [one.value for one in query.parse(f'"{word}" {word.lower()} host:{word} x:1')] == [
        *(word, word.lower(), word, "1")
    ]


@pytest.mark.parametrize("text", ['"open', 'a "b', 'x:"y" "'])
def test_a_query_that_cannot_be_read_says_from_where(text: str) -> None:
    with pytest.raises(BadInput, match="from here"):
        query.parse(text)


@given(st.text(max_size=60))
def test_a_query_is_read_or_refused_in_words(text: str) -> None:
    with suppress(BadInput):
        assert all(term.value for term in query.parse(text) if '""' not in text)


def test_a_field_with_an_empty_name_in_it_is_looked_for_and_not_stumbled_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a..b":"dots","a":{"":{"b":"deep"}},"end.":"x"}\n')
    store = EmbeddedStore(tmp_path / "events")
    take(store, tmp_path / "a.json")
    assert [store.count(Search(query.parse(text))) for text in ("a..b:dots", "end.:x", "a..b:deep")] == [1, 1, 0]
