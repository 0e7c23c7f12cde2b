"""Lines of syslog: RFC 5424, RFC 3164, and files whose lines begin with a time in ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

import orjson

from sekisho.telemetry.formats.found import Found, NotARecord
from sekisho.telemetry.formats.json_lines import moment

_TAG = r"(?P<program>[^\s:\[]{1,64})(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)"
_OLD = re.compile(
    r"(?:<(?P<priority>\d{1,3})>)?(?P<old>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) " + _TAG, re.DOTALL
)
_ISO = re.compile(
    r"(?:<(?P<priority>\d{1,3})>)?(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?) (?P<host>\S+) "
    + _TAG,
    re.DOTALL,
)
_NEW = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<iso>\S+) (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) (?P<id>\S+)"
    r" (?P<data>-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: (?:\ufeff)?(?P<message>.*))?",
    re.DOTALL,
)


def read(line: bytes, zone: tzinfo, arrived: datetime) -> Found:
    """The record of a line. A time without a year is of the last year, seen from `arrived`, in which it is not to come.

    Raises:
        NotARecord: it is no line of syslog.
    """
    text = line.decode(errors="replace")
    for pattern in (_NEW, _ISO, _OLD):
        if found := pattern.fullmatch(text):
            break
    else:
        raise NotARecord("neither JSON, nor an audit record, nor a line of syslog")
    parts = {key: value for key, value in found.groupdict().items() if value not in {None, "-"}}
    iso, old = parts.pop("iso", None), parts.pop("old", None)
    time = moment(iso, zone) if iso else _yearless(old, zone, arrived) if old else None
    record = {"timestamp": iso or old, **parts}
    if "priority" in parts:
        facility, severity = divmod(int(parts["priority"]), 8)
        record |= {"facility": facility, "severity": severity}
    return Found(record, orjson.dumps(record), time, None)


def _yearless(text: str, zone: tzinfo, arrived: datetime) -> int | None:
    for year in (arrived.year + 1, arrived.year, arrived.year - 1):  # in Japan a year begins before it does in UTC
        try:
            found = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=zone)
        except ValueError:  # no such day, or the 29th of February in another year
            continue
        if found <= arrived + timedelta(days=1):
            return int(found.timestamp()) * 1_000_000
    return None
