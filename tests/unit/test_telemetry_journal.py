"""What is inside the journal's records: audit, packets of the host firewall, sudo, and octets that are no text."""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from sekisho.telemetry import ecs
from sekisho.telemetry.embedded.store import EmbeddedStore
from sekisho.telemetry.formats import auditd, journal, json_lines
from sekisho.telemetry.ingest import Total
from sekisho.telemetry.query import Search, Term
from starts import JAPAN, MESSAGE, STARTED, audit, journald, take


def test_octets_that_are_no_text_are_read_for_search_and_stay_as_they_came() -> None:
    record = journald(list(MESSAGE.encode() + b"\xff"), _EXE="/usr/bin/bash")
    found = journal.of_record(record, orjson.dumps(record))
    assert orjson.loads(found.source)["MESSAGE"][-1] == 255
    start = journal.started(found)
    assert start is not None
    assert start.record["CommandLine"] == "ls -l a b\ufffd"
    assert journal.text([]) is None
    assert journal.text(["a", "b"]) == "a"
    assert journal.text([1, 256]) is None
    assert ecs.of(record).process__executable == "/usr/bin/bash"


def test_audit_records_come_through_the_journal_from_the_kernel_and_from_root() -> None:
    line = audit(7)[0].decode()
    by_root = journal.audit(journal.of_record(journald(line, _UID="0", SYSLOG_IDENTIFIER="audisp-syslog"), b""))
    rest = line.split(": ", 1)[1]
    by_kernel = journal.audit(
        journal.of_record(
            journald(
                f"SYSCALL {rest}",
                _TRANSPORT="audit",
                _AUDIT_ID="7",
                _SOURCE_REALTIME_TIMESTAMP="1604994496155000",
            ),
            b"",
        )
    )
    assert by_root is not None
    assert by_root == by_kernel == auditd.parse(line.encode())
    assert journal.audit(journal.of_record(journald(line), b"")) is None  # anybody could write that
    assert journal.audit(journal.of_record(journald("SYSCALL a=1", _TRANSPORT="audit"), b"")) is None


def test_audit_records_in_the_journal_are_joined(tmp_path: Path) -> None:
    path, store = tmp_path / "journal.json", EmbeddedStore(tmp_path / "events")
    lines = [journald(line.decode(), _UID="0", __CURSOR=f"c{n}") for n, line in enumerate(audit(7, node=""))]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    assert take(store, path) == Total(7, 0, 0)
    [start] = store.search(STARTED)
    assert start.ecs.host__name == "pc-0001"
    [call] = store.search(Search([Term("type", "SYSCALL", negated=False, wild=False)]))
    assert orjson.loads(call.source)["exe"] == "/usr/sbin/arp"


def test_a_packet_of_the_host_firewall_has_its_fields_beside_the_record_of_the_journal() -> None:
    packet = {"timestamp": "2026-11-24T11:00:00.5+0900", "oob.prefix": "dropped ", "src_ip": "10.0.0.1",
              "dest_ip": "10.0.0.2", "src_port": 5, "dest_port": 443, "_UID": "0"}  # fmt: skip
    record = journald(json.dumps(packet), SYSLOG_IDENTIFIER="sekisho-firewall")
    assert "src_ip" not in journal.of_record(record, b"{}").record  # of another unit: anybody could write that
    found = journal.of_record(record | {"_SYSTEMD_UNIT": "sekisho-firewall-log.service"}, b"{}")
    assert orjson.loads(found.source) == found.record
    deep = b'{"__CURSOR":"c","_SYSTEMD_UNIT":"ulogd2.service","MESSAGE":"{\\"oob.prefix\\":1}","x":%b%b}'
    line = deep % (b"[" * 500, b"]" * 500)
    assert json_lines.read(line, JAPAN).source == line
    assert (found.record["dest_port"], found.record["_UID"]) == (443, "1000")
    fields = ecs.of(found.record)
    assert (fields.event__action, fields.source__ip, fields.destination__ip) == ("dropped", "10.0.0.1", "10.0.0.2")
    assert (fields.destination__port, fields.host__name) == ("443", "pc-0001")
    alone = json_lines.read(orjson.dumps(packet), JAPAN)
    assert alone.time == 1795485600500000
    assert ecs.of(alone.record).source__port == "5"


def test_sudo_tells_who_ran_what() -> None:
    record = journald("    taro : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id", SYSLOG_IDENTIFIER="sudo")
    fields = ecs.of(record)
    assert (fields.user__name, fields.process__command_line, fields.event__provider) == ("taro", "/usr/bin/id", "sudo")
