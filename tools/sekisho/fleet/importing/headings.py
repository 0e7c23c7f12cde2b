"""Which column is which, from Japanese or English headings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.core.text import folded
from sekisho.fleet.importing.table import Row

REQUIRED = ("asset", "mac", "kind", "tier", "department", "owner")
_SEARCHED = 10  # rows at the top that may hold a title before the headings

_SPELLINGS: dict[str, tuple[str, ...]] = {
    "asset": (
        "資産番号",
        "資産管理番号",
        "管理番号",
        "機器番号",
        "端末番号",
        "asset",
        "asset number",
        "asset no",
        "asset no.",
    ),
    "name": (
        "端末名",
        "コンピュータ名",
        "コンピューター名",
        "ホスト名",
        "機器名",
        "name",
        "hostname",
        "host name",
        "computer name",
    ),
    "mac": ("MACアドレス", "MAC", "物理アドレス", "イーサネットアドレス", "mac address", "physical address"),
    "kind": ("種別", "端末種別", "機器種別", "区分", "kind", "type"),
    "tier": ("系統", "接続系統", "接続系", "ネットワーク", "所属系統", "tier", "network"),
    "department": ("課", "課名", "所属", "所属課", "部署", "所管課", "department", "division"),
    "owner": ("利用者", "管理者", "利用者/管理者", "利用者・管理者", "利用責任者", "使用者", "owner", "user"),
}
_COLUMN_OF = {folded(text): column for column, texts in _SPELLINGS.items() for text in texts}


@dataclass(frozen=True)
class Headings:
    """Where each column stands, under what heading, and which headings mean nothing to us."""

    line: int
    position: dict[str, int]
    spelling: dict[str, str]
    ignored: tuple[str, ...]
    width: int

    def told(self, column: str) -> str:
        """The column's heading as the file has it."""
        return self.spelling.get(column) or _SPELLINGS[column][0]


def find(rows: Iterator[Row], name: str) -> tuple[Headings, Iterator[Row]]:
    """The headings of the file `name`, and the rows below them.

    Raises:
        BadInput: a required column has no heading, or two headings mean the same column.
    """
    first = list(islice(rows, _SEARCHED))
    if not any(not row.blank for row in first):
        raise BadInput(
            Both(f"{name} は空", f"{name} is empty"),
            Both("見出しを付けて台帳を書き出す", "export the ledger with its headings"),
        )
    best = max(first, key=lambda row: len(_columns(row)))  # max takes the first of equals
    found = _columns(best)
    columns = [column for column, _ in found]
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        both = ", ".join(best.cells[at].strip() for column, at in found if column == twice[0])
        raise BadInput(
            Both(
                f"{name}: {best.line}行目: 見出し {both} がいずれも「{_SPELLINGS[twice[0]][0]}」の列を指す",
                f"{name}: line {best.line}: {both} all mean the column {twice[0]}",
            ),
            Both("どれか一つを残す", "keep one of them"),
        )
    if missing := [column for column in REQUIRED if column not in columns]:
        wanted = ", ".join(f"{_SPELLINGS[column][0]} ({column})" for column in missing)
        there = ", ".join(cell.strip()[:30] for cell in best.cells if cell.strip())
        raise BadInput(
            Both(
                f"{name}: {best.line}行目: 見出しに {wanted} の列がない。あるのは: {there}",
                f"{name}: line {best.line}: no column {wanted}; there are: {there}",
            ),
            Both("見出しを加える", "add the headings"),
        )
    position = dict(found)
    headings = Headings(
        best.line,
        position,
        {column: best.cells[at].strip() for column, at in found},
        tuple(cell.strip() for at, cell in enumerate(best.cells) if cell.strip() and at not in set(position.values())),
        max(at for at, cell in enumerate(best.cells) if cell.strip()) + 1,
    )
    return headings, chain((row for row in first if row.line > best.line), rows)


def _columns(row: Row) -> list[tuple[str, int]]:
    return [(_COLUMN_OF[folded(cell)], at) for at, cell in enumerate(row.cells) if folded(cell) in _COLUMN_OF]
