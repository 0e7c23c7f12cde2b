"""What makes Lucene answer otherwise than a rule means, each on the real server."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from conftest import Place
from recordings import read, recorded, trapped
from sekisho.telemetry.elastic import template
from sekisho.telemetry.event import Event
from sekisho.telemetry.query import Search


def put(place: Place, *records: dict[str, Any]) -> list[str]:
    """Put records; their ids."""
    events = read(b"\n".join(map(orjson.dumps, records)))
    assert place_events(place, events) == len(events)
    return [event.id.hex() for event in events]


def place_events(place: Place, events: list[Event]) -> int:
    with place.store.writing() as writer:
        added = writer.put(events)
        assert writer.refused == 0
    return added.new


def wildcard(field: str, pattern: str) -> dict[str, Any]:
    return {"wildcard": {field: {"value": pattern, "case_insensitive": True}}}


def test_indices_are_plain_and_ours_although_elastic_has_a_template_for_such_names(place: Place) -> None:
    put(place, {"@timestamp": "2026-11-24T00:00:00Z"}, {"x": 1})
    found = place.client.indices.get(index="logs-*").body
    assert sorted(found) == ["logs-sekisho.endpoint-2026.11.24", "logs-sekisho.endpoint-undated"]
    assert not any("data_stream" in one for one in found.values())
    assert all(one["mappings"]["subobjects"] is False for one in found.values())
    assert all(one["settings"]["index"]["translog"]["durability"] == "request" for one in found.values())


def test_case_does_not_count_in_term_wildcard_and_regexp(place: Place) -> None:
    upper, lower, other = put(
        place,
        {"winlog": {"event_data": {"Image": r"C:\Windows\CMD.EXE"}}},
        {"winlog": {"event_data": {"Image": r"c:\windows\cmd.exe"}}},
        {"winlog": {"event_data": {"Image": r"c:\windows\cmd.com"}}},
    )
    both, field = sorted([upper, lower]), "winlog.event_data.Image"
    assert place.find({"term": {field: r"C:\WINDOWS\cmd.exe"}}) == both
    assert place.find(wildcard(field, r"*\\Cmd.Exe")) == both
    assert place.find({"regexp": {field: {"value": r".*\\CMD\.(exe|EXE)", "case_insensitive": True}}}) == both
    assert other not in both


def test_a_value_above_the_limit_of_a_term_is_named_as_ignored(place: Place) -> None:
    long, none = put(place, {"CommandLine": "漢" * 8192 + "needle"}, {"Image": "x"})
    (longest,) = put(place, {"CommandLine": "𠀋" * 4095})
    assert place.find({"exists": {"field": "CommandLine"}}) == [longest]
    assert place.find({"term": {"_ignored": "CommandLine"}}) == [long]
    assert none not in place.find(
        {"bool": {"should": [{"exists": {"field": "CommandLine"}}, {"exists": {"field": "_ignored"}}]}}
    )


def test_null_is_missing_and_empty_text_is_not(place: Place) -> None:
    null, empty, missing, text = put(
        place, {"User": None, "n": 1}, {"User": "", "n": 2}, {"n": 3}, {"User": "x", "n": 4}
    )
    assert place.find({"exists": {"field": "User"}}) == sorted([empty, text])
    assert place.find({"term": {"User": ""}}) == [empty]
    assert place.find({"bool": {"must_not": {"exists": {"field": "User"}}}}) == sorted([null, missing])


def test_an_address_may_be_a_hyphen(place: Place) -> None:
    hyphen, _ = put(place, {"SourceIp": "-"}, {"SourceIp": "10.0.0.1"})
    assert place.find({"term": {"SourceIp": "-"}}) == [hyphen]
    assert len(place.find({"exists": {"field": "SourceIp"}})) == 2


def test_a_number_and_its_text_are_found_alike(place: Place) -> None:
    ids = put(place, {"EventID": 4688}, {"EventID": "4688"})
    assert place.find({"term": {"EventID": "4688"}}) == place.find({"term": {"EventID": 4688}}) == sorted(ids)


def test_a_types_change_from_event_to_event_refuses_none(place: Place) -> None:
    shapes = ["text", 7, True, 1.5, {"below": 1}, ["a", 2, None, {"below": "x"}], [], {}, None, "2026-11-24T00:00:00Z"]
    ids = put(place, *({"shape": shape, "serial": number} for number, shape in enumerate(shapes)))
    assert place.find({"exists": {"field": "serial"}}) == sorted(ids)
    assert place.find({"term": {"shape.below": "1"}}) == [ids[4]]
    assert place.find({"term": {"shape": "A"}}) == [ids[5]]
    found = place.client.search(index=template.EVENTS, query={"term": {"serial": "1"}})["hits"]["hits"][0]["_source"]
    assert found["shape"] == 7  # typed as it came


def test_more_than_a_thousand_fields_in_one_event_and_more_than_the_index_takes_over_all(place: Place) -> None:
    wide = put(place, *({f"field{event}_{number}": number for number in range(1500)} for event in range(5)))
    assert place.find({"term": {"field0_1499": "1499"}}) == [wide[0]]
    left_out = place.find({"exists": {"field": "_ignored"}})
    assert left_out, "7,500 fields went into an index of 6,000"
    assert set(left_out) <= set(wide)
    assert place.store.count(Search()) == 5


def test_a_date_in_one_event_does_not_bind_the_next(place: Place) -> None:
    ids = put(place, {"when": "2026-11-24"}, {"when": "never"}, {"when": 20261124})
    assert place.find({"exists": {"field": "when"}}) == sorted(ids)


def test_the_turkish_letter_is_lower_case_i(place: Place) -> None:
    ids = put(place, {"name": "İSTANBUL"}, {"name": "istanbul"})
    assert place.find({"term": {"name": "istanbul"}}) == sorted(ids)


def test_keys_that_the_server_refuses_stay_in_the_source(place: Place) -> None:
    record = {"": 1, " ": 2, "_id": "x", "_source": "y", "_doc_count": "z", "_seq_no": 1, "n" * 600: 3, "_COMM": "sshd"}
    (one,) = put(place, record)
    (event,) = place.store.search(Search())
    assert orjson.loads(event.source) == record
    assert place.find({"term": {"_COMM": "SSHD"}}) == [one]


def test_deep_nesting_is_taken(place: Place) -> None:
    deep = b'{"in":' * 900 + b"1" + b"}" * 900
    events = read(deep + b"\n" + b'{"list":' + b"[" * 900 + b"1" + b"]" * 900 + b"}")
    assert place_events(place, events) == 2
    assert {event.source for event in place.store.search(Search())} == {event.source for event in events}


def test_the_sources_value_of_an_ecs_name_stays_and_search_reads_ours(place: Place) -> None:
    (event,) = read(b'{"Hostname":"ours","host":{"name":"theirs"},"EventID":1}')
    place_events(place, [event])
    document = place.client.get(index="logs-sekisho.endpoint-undated", id=event.id.hex())["_source"]
    assert document["host.name"] == "theirs"
    assert document["event.code"] == "1"
    assert list(place.store.search(Search())) == [event]


def test_every_trap_comes_back_as_it_went_in(place: Place) -> None:
    events = trapped()
    assert place_events(place, events) == len(events)
    assert {event.id: event for event in place.store.search(Search())} == {event.id: event for event in events}


@pytest.mark.slow
@pytest.mark.timeout(2400)  # 134,000 events, on a machine that is busy with other things
def test_no_recorded_event_is_refused(place: Place) -> None:
    events, new, aside = 0, 0, 0
    ids: set[bytes] = set()
    with place.store.writing() as writer:
        for some, rejects in recorded():
            added = writer.put(some, rejects)
            ids.update(event.id for event in some)
            events, new, aside = events + len(some), new + added.new, aside + added.rejected
        assert writer.refused == 0
    assert events > 134_000
    assert new == len(ids) == place.store.count(Search())
    assert place.store.holds()[1] == aside
