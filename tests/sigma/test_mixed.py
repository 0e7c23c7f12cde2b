"""Files of other systems than Windows, and what is no record at all: with the scanner and without it the same."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from corpora import corpora
from sekisho.detection.detect import ASIDE, Detector
from sekisho.detection.matching.engine import Engine
from sekisho.detection.rules.rule import Ruleset
from sekisho.detection.scan.scanner import Scanner
from sekisho.telemetry.workers import Workers

CURSOR = {"__CURSOR": "s=1;i=%d", "__REALTIME_TIMESTAMP": "1795489200000000", "_HOSTNAME": "pc-0001"}
SNOOPY = "v1 pid=8 ppid=7 uid=0 user=root tty=(none) cwd=/tmp//file=/usr/bin/crontab//cmd=crontab -l"
OCTETS = [*b"\x1b[0mFailed to generate curve25519 keys"]


def journal(number: int, **fields: object) -> str:
    return json.dumps({**CURSOR, "__CURSOR": f"s=1;i={number}", **fields})


def spooled(line: str) -> str:
    frame = f'<13>1 2026-11-24T00:00:00Z pc-0001 sekisho - - [place@32473 file="/a.json" offset="0"] {line}'
    return json.dumps({"at": 1795489200000000, "peer": "pc-0001", "via": "relp", "raw": frame}, separators=(",", ":"))


LINES = [
    "no record at all",
    "[1, 2]",
    '"text"',
    "17",
    "{broken",
    "",
    '{"Channel": "Security", "EventID": [1], "x": {"y": []}}',
    journal(1, SYSLOG_IDENTIFIER="snoopy", _PID="8", _UID="0", MESSAGE=SNOOPY),
    journal(2, SYSLOG_IDENTIFIER="sshd", MESSAGE=OCTETS),
    journal(3, SYSLOG_IDENTIFIER="sudo", MESSAGE="b : TTY=pts/0 ; PWD=/ ; USER=#-1 ; COMMAND=/bin/sh"),
    spooled(journal(4, SYSLOG_IDENTIFIER="sshd", MESSAGE="Failed to generate curve25519 keys")),
    "Nov 24 00:00:00 pc-0001 sshd[7]: error: invalid elliptic curve value",
    'type=EXECVE msg=audit(1604994496.155:92733): argc=2 a0="truncate" a1="-s"',
    'type=SYSCALL msg=audit(1604994496.156:92734): arch=c000003e syscall=175 comm="insmod" exe="/usr/bin/kmod"',
    json.dumps({"eventVersion": "1.08", "eventSource": "iam.amazonaws.com", "eventName": "UpdateLoginProfile"}
               | {"awsRegion": "x", "userIdentity": {"arn": "a"}, "requestParameters": {"userName": "b"}}),
    '{"c-uri": "/x", "c-useragent": "Hello\\u0020mimikatz katz-ontop", "cs-method": "GET"}',
]  # fmt: skip


@corpora
@pytest.mark.parametrize("some", [slice(None), slice(7, 11), slice(12, 14), slice(14, None)])
def test_the_scanner_changes_nothing(sigmahq: Ruleset, tmp_path: Path, some: slice) -> None:
    path = tmp_path / "mixed.log.gz"
    path.write_bytes(gzip.compress(("\n".join(LINES[some]) + "\n").encode()))
    answers = [
        [
            (sigmahq.rules[match.place].path.rpartition("/")[2], match.event_id, match.record, match.host)
            for answer in Detector(Engine(sigmahq), {}, scanner).in_files([path], ZoneInfo("UTC"), Workers(0))
            for match in answer.matches
        ]
        for scanner in (None, Scanner(sigmahq.rules, aside=ASIDE))
    ]
    assert answers[0] == answers[1]
    if some == slice(None):
        names = {name for name, *_ in answers[0]}
        assert {
            "proc_creation_lnx_crontab_enumeration.yml",
            "lnx_sshd_exploit_cve_2023_2283_libssh_authentication_bypass.yml",
            "lnx_sshd_susp_ssh.yml",
            "lnx_auditd_binary_padding.yml",
            "lnx_auditd_load_module_insmod.yml",
            "aws_update_login_profile.yml",
            "lnx_sudo_exploit_cve_2019_14287.yml",
        } <= names, names
