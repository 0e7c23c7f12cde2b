"""Taking a ledger over: every row is judged first, then all changes and their record are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from sekisho.core.clock import stamp
from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State, Transaction
from sekisho.fleet.departments import Departments
from sekisho.fleet.importing import against, delimited, headings, workbook
from sekisho.fleet.importing.rows import Facts, Reader
from sekisho.fleet.importing.table import MAX_BYTES, Fault
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import Terminal
from sekisho.policy.tiers import Tiers

_COLUMNS = {"department": "課", "owner": "利用者", "mac": "MACアドレス", "name": "端末名"}

# Appends a record inside the transaction; its sequence number. `Chain.append` is one, in a layer above this package.
Recorder = Callable[[Transaction, str, Mapping[str, str], Mapping[str, Any]], int]


@dataclass(frozen=True)
class Source:
    """A file as it was read: good rows, faults, and what was left out."""

    name: str
    digest: str
    facts: list[Facts]
    faults: list[Fault]
    ignored: tuple[str, ...]
    told: Callable[[str], str]


@dataclass
class Outcome:
    """What an import did, by asset number; `record` is None when nothing had to change."""

    added: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    elsewhere: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    record: int | None = None


def read(path: Path, *, departments: Departments, tiers: Tiers, taken: set[str]) -> Source:
    """Judge every row of `path` by itself and against the other rows; `taken` are the names of servers.

    Raises:
        Missing: the file is not there.
        BadInput: it is too large, of no known format, or lacks a column.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise Missing(
            Both(f"{path} がない", f"{path} is not there"), Both("ファイルの名前を確認する", "check the file's name")
        ) from error
    except OSError as error:
        why = both(str(error.strerror))
        raise BadInput(
            Both(f"{path}: {why.ja}", f"{path}: {why.en}"),
            Both("読取りのできるCSVかXLSXのファイルを指定する", "give a CSV or XLSX file that can be read"),
        ) from error
    if len(raw) > MAX_BYTES:
        size = MAX_BYTES // 1024 // 1024
        raise BadInput(
            Both(f"{path}: {size} MiBを超えている", f"{path}: larger than {size} MiB"), Both("分割する", "split it")
        )
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadInput(
            Both(f"{path}: 旧形式(.xls)か、暗号化されたXLSX", f"{path}: an old or encrypted workbook"),
            Both("パスワードなしで .xlsx かCSVに保存する", "save it without password as .xlsx or CSV"),
        )
    rows = workbook.rows(raw, path.name) if raw.startswith(b"PK") else delimited.rows(raw, path.name)
    found, below = headings.find(rows, path.name)
    reader = Reader(found, departments, tiers, taken)
    facts: list[Facts] = []
    faults: list[Fault] = []
    for row in below:
        if row.blank:
            continue
        judged = reader.read(row)
        if isinstance(judged, Facts):
            facts.append(judged)
        else:
            faults.extend(judged)
    repeated = reader.repeated(facts)
    bad = {fault.line for fault in repeated}
    return Source(
        path.name,
        sha256(raw).hexdigest(),
        [one for one in facts if one.line not in bad],
        sorted(faults + repeated, key=lambda fault: fault.line),
        found.ignored,
        found.told,
    )


def load(state: State, source: Source, *, record: Recorder, who: str, skip_bad: bool) -> Outcome:
    """Take the good rows over. With faults and without `skip_bad` nothing is changed and the outcome only names them.

    A terminal already known keeps its number, tier and standing; its owner and department follow the file.

    Raises:
        BadInput: the file holds no good row.
    """
    ledger = Ledger(state)
    with state.transaction() as tx:
        known = {one.asset: one for one in ledger.terminals()}
        good, faults = against.compare(known, source.facts, source.told)
        outcome = Outcome(faults=sorted(source.faults + faults, key=lambda fault: fault.line))
        present = {one.asset for one in source.facts} | {one.asset for one in good}
        outcome.vanished = sorted(set(known) - present)
        if outcome.faults and not skip_bad:
            return outcome
        if not good:
            few = outcome.faults[:5]
            raise BadInput(
                Both(f"{source.name} に取り込める行がない", f"{source.name} holds no good row"),
                Both("。".join(one.ja for one in few), "; ".join(one.en for one in few)),
            )
        changes = {one.asset: _changes(known[one.asset], one) for one in good if one.asset in known}
        outcome.added = [one.asset for one in good if one.asset not in known]
        outcome.changed = {
            asset: ", ".join(f"{one} changed" for one in columns) for asset, columns in changes.items() if columns
        }
        outcome.unchanged = len(good) - len(outcome.added) - len(outcome.changed)
        outcome.elsewhere = [one.asset for one in good if one.asset in known and known[one.asset].tier != one.tier]
        if outcome.added or outcome.changed:
            outcome.record = record(
                tx, "fleet.imported", {"type": "fleet", "name": source.name}, _body(source, outcome, who)
            )
            imported = because(Code.IMPORTED, file=source.name)
            for one in good:
                if one.asset not in known:
                    _add(tx, one, who, outcome.record, imported)
                elif one.asset in outcome.changed:
                    _update(tx, known[one.asset], one, who, outcome.record, changes[one.asset])
    return outcome


def _changes(was: Terminal, now: Facts) -> list[str]:
    return [one for one in _COLUMNS if getattr(was, one) != getattr(now, one)]


def _body(source: Source, outcome: Outcome, who: str) -> dict[str, Any]:
    return {
        "who": who,
        "file": source.name,
        "sha256": source.digest,
        "added": outcome.added,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "skipped": [{"ja": fault.ja, "en": fault.en} for fault in outcome.faults],
        "vanished": outcome.vanished,
    }


def _add(tx: Transaction, one: Facts, who: str, record: int, why: Reason) -> None:
    movable = one.kind == "staff" and one.tier == "lgwan"
    standing = Standing.UNPLANNED if movable else Standing.FIXED
    tx.run(
        "INSERT INTO terminal (asset, number, name, mac, kind, department, owner, home, tier, standing)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            one.asset,
            tx.next("terminal"),
            one.name,
            one.mac,
            one.kind,
            one.department,
            one.owner,
            one.tier,
            one.tier,
            standing,
        ),
    )
    _remember(tx, one.asset, (None, standing), one.tier, who, why, record)


def _update(tx: Transaction, was: Terminal, now: Facts, who: str, record: int, columns: list[str]) -> None:
    tx.run(
        "UPDATE terminal SET department = ?, owner = ?, mac = ?, name = ? WHERE asset = ?",
        (now.department, now.owner, now.mac, now.name, now.asset),
    )
    named = Both("・".join(_COLUMNS[one] for one in columns), ", ".join(columns))
    why = because(Code.FACTS_CHANGED, columns=named)
    _remember(tx, now.asset, (was.standing, was.standing), was.tier, who, why, record)


def _remember(
    tx: Transaction,
    asset: str,
    step: tuple[Standing | None, Standing],
    tier: str,
    who: str,
    why: Reason,
    record: int,
) -> None:
    was, became = step
    tx.run(
        "INSERT INTO history (asset, at, who, why, was, became, tier, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (asset, stamp(), who, why.stored(), was or "", became, tier, record),
    )
