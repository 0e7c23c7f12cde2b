"""What other engines get wrong without a word: each a rule and an event, with the answer that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sekisho.detection import load
from sekisho.detection.matching.engine import Engine
from sekisho.detection.records.record import Record

SYSMON = "Microsoft-Windows-Sysmon/Operational"
DEFENDER = "Microsoft-Windows-Windows Defender/Operational"


def answer(tmp_path: Path, detection: dict[str, Any], event: dict[str, Any], **logsource: str) -> bool:
    path = tmp_path / "rule.yml"
    rule = {"title": "t", "logsource": logsource or {"product": "windows"}, "detection": detection}
    path.write_text(yaml.safe_dump(rule))
    ruleset = load.load([path])
    assert not ruleset.unusable, ruleset.unusable
    return any(Engine(ruleset).hits(Record(event)))


def flat(**fields: Any) -> dict[str, Any]:
    return {"Channel": SYSMON, "EventID": 3, "SourceName": "Microsoft-Windows-Sysmon", **fields}


def evtx(channel: str, number: int, data: dict[str, Any] | None) -> dict[str, Any]:
    system = {"Channel": channel, "EventID": number, "Provider": {"#attributes": {"Name": "P"}}}
    return {"Event": {"System": system, "EventData": data}}


def winlogbeat(channel: str, number: int, **data: Any) -> dict[str, Any]:
    return {
        "agent": {"name": "mimikatz"},
        "tags": ["mimikatz"],
        "host": {"name": "mimikatz"},
        "message": "what Windows tells",
        "winlog": {"channel": channel, "event_id": number, "provider_name": "P", "event_data": data},
    }


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_true_is_true_however_it_is_written(tmp_path: Path, value: object) -> None:
    assert answer(tmp_path, {"s": {"Initiated": "true"}, "condition": "s"}, flat(Initiated=value))
    assert answer(tmp_path, {"s": {"Initiated": True}, "condition": "s"}, flat(Initiated=value))
    assert not answer(tmp_path, {"s": {"Initiated": 1}, "condition": "s"}, flat(Initiated=value))
    assert not answer(tmp_path, {"s": {"Initiated": "false"}, "condition": "s"}, flat(Initiated=value))


@pytest.mark.parametrize(
    "data",
    [
        {"Data": {"#text": ["x", "HostVersion=2.0"]}},
        {"Data": {"#text": "HostVersion=2.0"}},
        {"Data": ["a", "HostVersion=2.0"]},
    ],
)
def test_data_without_a_name_is_data(tmp_path: Path, data: dict[str, Any]) -> None:
    detection = {"s": {"Data|contains": "HostVersion=2"}, "condition": "s"}
    source = {"product": "windows", "category": "ps_classic_start"}
    assert answer(tmp_path, detection, evtx("Windows PowerShell", 400, data), **source)


def test_data_without_a_name_is_data_from_winlogbeat_too(tmp_path: Path) -> None:
    event = winlogbeat("Windows PowerShell", 400, param1="x", param2="HostVersion=2.0")
    detection = {"s": {"Data|contains": "HostVersion=2"}, "condition": "s"}
    assert answer(tmp_path, detection, event, product="windows", category="ps_classic_start")


def test_a_field_that_nobody_has_turns_off_only_its_branch(tmp_path: Path) -> None:
    detection = {"a": {"NeverSeen": "x"}, "b": {"Image|endswith": "\\a.exe"}, "condition": "a or b"}
    assert answer(tmp_path, detection, flat(Image="C:\\a.exe"))


def test_an_empty_text_is_a_value_and_null_is_none(tmp_path: Path) -> None:
    empty, null = {"s": {"F": ""}, "condition": "s"}, {"s": {"F": None}, "condition": "s"}
    assert answer(tmp_path, empty, flat(F=""))
    assert not answer(tmp_path, null, flat(F=""))
    for nothing in ({"F": None}, {"F": []}, {}):
        assert answer(tmp_path, null, flat(**nothing))
        assert not answer(tmp_path, empty, flat(**nothing))


def test_exists_asks_for_the_field_and_not_for_a_value(tmp_path: Path) -> None:
    there = {"s": {"F|exists": True}, "condition": "s"}
    assert answer(tmp_path, there, flat(F=None))
    assert not answer(tmp_path, there, flat())
    assert answer(tmp_path, {"s": {"F|exists": False}, "condition": "s"}, flat())


def test_hashes_stay_together(tmp_path: Path) -> None:
    event = flat(Hashes="MD5=FF9D,SHA256=A80C,IMPHASH=3D43")
    assert answer(tmp_path, {"s": {"Hashes|contains": "IMPHASH=3d43"}, "condition": "s"}, event)


def test_not_is_true_where_the_field_is_not(tmp_path: Path) -> None:
    detection = {"s": {"EventID": 3}, "f": {"User|contains": "SYSTEM"}, "condition": "s and not f"}
    for nothing in ({}, {"User": None}, {"User": []}):
        assert answer(tmp_path, detection, flat(**nothing))


def test_a_list_matches_if_any_element_does(tmp_path: Path) -> None:
    event = flat(Paths=["C:\\x", "C:\\evil.exe"])
    assert answer(tmp_path, {"s": {"Paths|endswith": "\\evil.exe"}, "condition": "s"}, event)
    assert not answer(tmp_path, {"s": {"Paths|endswith": "x\\evil.exe"}, "condition": "s"}, event)
    both = {"s": {"Paths|contains|all": ["\\x", "evil"]}, "condition": "s"}
    assert answer(tmp_path, both, event)


def test_the_same_number_in_another_channel_is_another_event(tmp_path: Path) -> None:
    detection = {"s": {"EventID": 1116}, "condition": "s"}
    source = {"product": "windows", "service": "windefend"}
    assert answer(tmp_path, detection, evtx(DEFENDER, 1116, {}), **source)
    assert not answer(tmp_path, detection, evtx("Application", 1116, {}), **source)
    assert answer(tmp_path, detection, evtx(DEFENDER.upper(), 1116, {}), **source), "Windows writes `security` too"


def test_a_name_with_a_blank_is_reached(tmp_path: Path) -> None:
    event = evtx(DEFENDER, 1116, {"Threat Name": "Trojan:Win32/X"})
    for name in ("ThreatName", "Threat Name"):
        detection = {"s": {f"{name}|contains": "trojan"}, "condition": "s"}
        assert answer(tmp_path, detection, event, product="windows", service="windefend")
    detection = {"s": {"Signature|contains": "trojan"}, "condition": "s"}
    assert answer(tmp_path, detection, event, category="antivirus")


def test_names_that_differ_by_case_are_two(tmp_path: Path) -> None:
    event = flat(ProcessID=1, ProcessId=2)
    assert answer(tmp_path, {"s": {"ProcessId": 2}, "condition": "s"}, event)
    assert not answer(tmp_path, {"s": {"ProcessId": 1}, "condition": "s"}, event)


def test_a_number_is_one_in_one_event_and_a_text_in_the_next(tmp_path: Path) -> None:
    for rule, value in ((4688, "4688"), ("4688", 4688), (4688, 4688), (4688, 4688.0)):
        assert answer(tmp_path, {"s": {"F": rule}, "condition": "s"}, flat(F=value))
    assert not answer(tmp_path, {"s": {"F": 4688}, "condition": "s"}, flat(F="04688"))


def test_nothing_that_a_shipper_adds_reaches_a_rule(tmp_path: Path) -> None:
    event = winlogbeat(SYSMON, 1, Image="C:\\a.exe")
    assert not answer(tmp_path, {"k": ["mimikatz"], "condition": "k"}, event)
    assert answer(tmp_path, {"k": ["Windows tells"], "condition": "k"}, event)
    for field in ("agent.name", "host.name", "tags"):
        assert not answer(tmp_path, {"s": {field: "mimikatz"}, "condition": "s"}, event)


def test_the_audit_of_windows_tells_processes_too(tmp_path: Path) -> None:
    event = {
        "Channel": "security",
        "EventID": 4688,
        "NewProcessName": "C:\\Windows\\System32\\whoami.exe",
        "ParentProcessName": "C:\\cmd.exe",
        "NewProcessId": "0x10",
        "ProcessId": "0x20",
    }
    source = {"product": "windows", "category": "process_creation"}
    selection = {"Image|endswith": "\\whoami.exe", "ParentImage|endswith": "\\cmd.exe", "ProcessId": "0x10"}
    assert answer(tmp_path, {"s": selection | {"ParentProcessId": "0x20"}, "condition": "s"}, event, **source)
    own = {"s": {"ProcessId": "0x20"}, "condition": "s"}
    assert answer(tmp_path, own, event, product="windows", service="security")


def test_paths_lead_into_records_of_clouds(tmp_path: Path) -> None:
    event = {
        "eventVersion": "1",
        "eventSource": "iam.amazonaws.com",
        "eventName": "X",
        "userIdentity": {"arn": "a", "type": "Root"},
        "requestParameters": {"userName": "A", "list": [{"k": "deep"}]},
    }
    source = {"product": "aws", "service": "cloudtrail"}
    assert answer(tmp_path, {"s": {"userIdentity.type": "root"}, "condition": "s"}, event, **source)
    assert answer(tmp_path, {"s": {"requestParameters.list.k": "deep"}, "condition": "s"}, event, **source)
    assert answer(tmp_path, {"s": {"requestParameters|contains": "dee"}, "condition": "s"}, event, **source)
    refers = {"s": {"userIdentity.arn|fieldref": "requestParameters.userName"}, "condition": "s"}
    assert answer(tmp_path, refers, event, **source)


@pytest.mark.parametrize(
    ("rule", "value"),
    [("İstanbul", "i\u0307STANBUL"), ("kelvin", "\u212aELVIN"), ("ΟΔΟΣ", "οδος"), ("ΟΔΟΣ", "οδοσ"), ("É", "é")],
)
def test_letters_are_folded_in_one_way(tmp_path: Path, rule: str, value: str) -> None:
    assert answer(tmp_path, {"s": {"F|contains": rule}, "condition": "s"}, flat(F=f"x{value}y"))
    assert not answer(tmp_path, {"s": {"F|contains|cased": rule}, "condition": "s"}, flat(F=f"x{value}y"))


def test_a_list_as_deep_as_json_allows_is_looked_through(tmp_path: Path) -> None:
    detection = {"s": {"a.b": "x"}, "condition": "s"}
    deep: Any = {"b": "x"}
    for _ in range(1_000):
        deep = [deep]
    assert answer(tmp_path, detection, flat(a=deep))
    assert not answer(tmp_path, detection, flat(a=[{"b": "y"}]))


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30])
def test_a_number_of_any_size_is_one(tmp_path: Path, number: int) -> None:
    detection = {"s": {"F": number}, "condition": "s"}
    assert answer(tmp_path, detection, flat(F=float(number)))
    assert not answer(tmp_path, detection, flat(F="text"))
