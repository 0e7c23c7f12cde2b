"""What a Windows terminal is given so that its events reach the collector: settings for Sysmon and Winlogbeat."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import yaml

from sekisho.policy.telemetry import SYSMON_KINDS, Windows

SCHEMA = "4.90"  # of Sysmon 15
PORT = 5044
_FOLDER = "C:/ProgramData/Sekisho"
# These do not only tell of a file, they prevent it or keep a copy: not the business of a log.
_ACTS = ("FileDelete", "FileBlockExecutable", "FileBlockShredding")

_README = """# Windows端末のログ設定 / Log settings of Windows terminals

`policies/telemetry.yml` から `sekisho render windows-logging` で作成したもの。直接編集せず、方針を直して作り直す。
**Windows上での動作はまだ確認していない。** 本番の前に、試験用の端末で確認すること。

1. 端末証明書一式を `{folder}` に置く: `ca.crt`、`device.crt`、`device.key`(管理者とSYSTEMだけが読めること)。
2. 管理者として `channels.cmd` を実行し、既定で無効な記録先を有効にする。
3. `sysmon64 -accepteula -i sysmon.xml`(変更時は `sysmon64 -c sysmon.xml`)。
4. `winlogbeat.yml` をWinlogbeatのフォルダに置き、サービスを開始する。収集サーバの名前 `{collector}` が引けること。
5. 監査ポリシー(プロセス作成とコマンドライン、ログオン、Kerberos)とPowerShellのスクリプトブロックログを
   グループポリシーで有効にする。無効な監査は、記録先を読んでも何も残らない。

Made from `policies/telemetry.yml` by `sekisho render windows-logging`; change the policy, not these files.
**Nothing of this was run on Windows yet.** Try it on a test terminal before it is used.

1. Put the device certificate into `{folder}`: `ca.crt`, `device.crt`, `device.key` (administrators and SYSTEM only).
2. Run `channels.cmd` as administrator: it enables the channels that are off by default.
3. `sysmon64 -accepteula -i sysmon.xml` (after a change: `sysmon64 -c sysmon.xml`).
4. Put `winlogbeat.yml` into Winlogbeat's folder and start its service. The name `{collector}` must resolve.
5. Turn on the audit policy (process creation with its command line, logons, Kerberos) and PowerShell's script block
   logging by group policy. What is not audited is in no channel.
"""


def rendered(windows: Windows, collector: str) -> dict[str, str]:
    """The files by name. `collector` is the name in its certificate, by which the terminals find it."""
    return {
        "README.md": _README.format(folder=_FOLDER, collector=collector),
        "channels.cmd": channels(windows),
        "sysmon.xml": sysmon(windows),
        "winlogbeat.yml": winlogbeat(windows, collector),
    }


def sysmon(windows: Windows) -> str:
    """Sysmon's configuration. Each kind of event is named: all of it, or none of it."""
    root = ET.Element("Sysmon", schemaversion=SCHEMA)
    ET.SubElement(root, "HashAlgorithms").text = "SHA256,IMPHASH"
    filtering = ET.SubElement(root, "EventFiltering")
    for kind in (*SYSMON_KINDS, *_ACTS):
        group = ET.SubElement(filtering, "RuleGroup", name="", groupRelation="or")
        # To exclude nothing is to log everything; to include nothing is to log nothing.
        rules = ET.SubElement(group, kind, onmatch="exclude" if kind in windows.sysmon else "include")
        if kind == "RegistryEvent" and kind not in windows.sysmon:
            for key in windows.registry_keys:
                ET.SubElement(rules, "TargetObject", condition="contains").text = key
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def winlogbeat(windows: Windows, collector: str) -> str:
    """Winlogbeat's settings: every event of the channels, unchanged, kept on disk until the collector has it."""
    settings = {
        "winlogbeat.event_logs": [{"name": name} for name in windows.channels],
        "queue.disk": {"max_size": f"{windows.queue_gigabytes}GB", "path": f"{_FOLDER}/queue"},
        "output.logstash": {
            "hosts": [f"{collector}:{PORT}"],
            "ssl.certificate_authorities": [f"{_FOLDER}/ca.crt"],
            "ssl.certificate": f"{_FOLDER}/device.crt",
            "ssl.key": f"{_FOLDER}/device.key",
            "ssl.verification_mode": "full",
        },
        "processors": [],
    }
    return "# sekisho render windows-logging\n" + yaml.safe_dump(settings, sort_keys=False)


def channels(windows: Windows) -> str:
    """A command file that enables the channels; a classic log is always on."""
    named = [name for name in windows.channels if "/" in name]
    return "".join(f"{line}\r\n" for line in ("@echo off", *(f'wevtutil sl "{name}" /e:true' for name in named)))
