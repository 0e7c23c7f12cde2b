"""What Windows terminals are given: it parses, it has all of the policy, and it drops nothing."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from typer.testing import CliRunner

from sekisho.cli import render
from sekisho.core.errors import BadInput
from sekisho.core.yamlfile import load
from sekisho.policy import telemetry as policy
from sekisho.policy.telemetry import SYSMON_KINDS, Telemetry
from sekisho.telemetry import windows

POLICY = policy.read().windows
NEEDED = {
    "Security",
    "System",
    "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-PowerShell/Operational",
    "Microsoft-Windows-TaskScheduler/Operational",
    "Microsoft-Windows-WMI-Activity/Operational",
    "Microsoft-Windows-Windows Defender/Operational",
    "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",
    "Microsoft-Windows-TerminalServices-RDPClient/Operational",
    "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
    "Microsoft-Windows-NTLM/Operational",
    "Microsoft-Windows-Kerberos/Operational",
}


def test_winlogbeat_sends_whole_channels_over_mutual_tls() -> None:
    text = windows.winlogbeat(POLICY, "collector.example")
    settings = yaml.safe_load(text)
    logs = settings["winlogbeat.event_logs"]
    assert [one["name"] for one in logs] == list(POLICY.channels)
    assert {one["name"] for one in logs} >= NEEDED
    assert {key for one in logs for key in one} == {"name"}  # no event_id, level, provider or ignore_older: all of it
    assert settings["processors"] == []
    assert settings["queue.disk"]["max_size"] == f"{POLICY.queue_gigabytes}GB"
    output = settings["output.logstash"]
    assert output["hosts"] == ["collector.example:5044"]
    assert output["ssl.verification_mode"] == "full"
    given = {Path(output[f"ssl.{key}"]).name for key in ("certificate", "key")} | {
        Path(one).name for one in output["ssl.certificate_authorities"]
    }
    assert given == {"device.crt", "device.key", "ca.crt"}
    assert [key for key in settings if key.startswith("output.")] == ["output.logstash"]  # a beat takes one


def test_sysmon_logs_the_kinds_of_the_policy_and_acts_on_nothing() -> None:
    root = ET.fromstring(windows.sysmon(POLICY))  # noqa: S314 - our own
    assert (root.tag, root.attrib) == ("Sysmon", {"schemaversion": "4.90"})
    rules = {one[0].tag: one[0] for one in root.iterfind("EventFiltering/RuleGroup")}
    assert len(rules) == len(list(root.iterfind("EventFiltering/RuleGroup"))) == 22
    logged = {kind for kind, one in rules.items() if one.get("onmatch") == "exclude"}
    assert logged == set(POLICY.sysmon)
    assert not [kind for kind in logged if len(rules[kind])]  # nothing is excluded
    assert [kind for kind, one in rules.items() if len(one)] == ["RegistryEvent"]
    assert {(one.tag, one.get("condition")) for one in rules["RegistryEvent"]} == {("TargetObject", "contains")}
    assert [one.text for one in rules["RegistryEvent"]] == list(POLICY.registry_keys)
    for kind in ("FileDelete", "FileBlockExecutable", "FileBlockShredding"):
        assert rules[kind].get("onmatch") == "include"


def test_a_kind_as_a_whole_needs_no_keys() -> None:
    everything = POLICY.model_copy(update={"sysmon": SYSMON_KINDS})
    root = ET.fromstring(windows.sysmon(everything))  # noqa: S314 - our own
    found = root.find("EventFiltering/RuleGroup/RegistryEvent")
    assert found is not None
    assert (found.get("onmatch"), len(found)) == ("exclude", 0)


def test_the_command_writes_the_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(render.app, ["windows-logging", "-o", str(tmp_path / "new" / "windows")])
    assert done.exit_code == 0, done.output
    made = {path.name: path.read_bytes().decode() for path in (tmp_path / "new" / "windows").iterdir()}
    assert made == windows.rendered(POLICY, "collector")
    assert "Nothing of this was run on Windows yet" in made["README.md"]
    assert made["channels.cmd"].count("wevtutil") == sum("/" in name for name in POLICY.channels)


@pytest.mark.parametrize(
    ("line", "instead"),
    [("    - ProcessCreate\n", "    - ProcesCreate\n"), ("    - Security\n", "    - Security\n    - Security\n")],
)
def test_a_mistake_in_the_policy_is_told(tmp_path: Path, line: str, instead: str) -> None:
    text = Path("policies/telemetry.yml").read_text(encoding="utf-8")
    (tmp_path / "telemetry.yml").write_text(text.replace(line, instead), encoding="utf-8")
    with pytest.raises(BadInput, match=r"telemetry\.yml:\d+"):
        load(tmp_path / "telemetry.yml", Telemetry)
