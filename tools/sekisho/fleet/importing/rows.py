"""A row of the office's ledger becomes a terminal's facts, or faults that say why not."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from sekisho.core import mac
from sekisho.core.errors import BadValue
from sekisho.core.language import Both
from sekisho.core.text import folded, plain
from sekisho.fleet.departments import Departments
from sekisho.fleet.importing.headings import REQUIRED, Headings
from sekisho.fleet.importing.table import MAX_CELL, Fault, Row
from sekisho.fleet.terminal import KINDS, Kind
from sekisho.policy.tiers import Tiers

_ASSET = re.compile(r"[A-Z0-9](?:[A-Z0-9-]{0,38}[A-Z0-9])?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
RESERVED = frozenset({"all", "ungrouped", "localhost", "machines", "infrastructure", "terminals", "appliances"})

_KINDS: dict[str, Kind] = {
    **{folded(text): "staff" for text in ("職員端末", "職員用端末", "業務端末", "staff")},
    **{folded(text): "mynumber" for text in ("番号利用端末", "マイナンバー端末", "マイナンバー利用端末", "mynumber")},
    **{folded(text): "printer" for text in ("プリンタ", "プリンター", "複合機", "printer")},
    **{folded(text): "other" for text in ("その他", "other")},
}
# Where a terminal of each kind can be when it is taken over. Probation and quarantine are reached only by crossing.
_TIERS: dict[Kind, tuple[str, ...]] = {
    "staff": ("lgwan", "internet"),
    "mynumber": ("mynumber",),
    "printer": ("devices", "lgwan", "internet"),
    "other": ("devices", "lgwan", "internet"),
}


@dataclass(frozen=True)
class Facts:
    """What the office's ledger says of one terminal; `line` is where it says so."""

    line: int
    asset: str
    name: str
    mac: str
    kind: Kind
    tier: str
    department: str
    owner: str


class Reader:
    """Reads rows under given headings against the prefecture's departments and tiers; `taken` are servers' names."""

    def __init__(self, headings: Headings, departments: Departments, tiers: Tiers, taken: Iterable[str] = ()) -> None:
        self._headings = headings
        self._departments = departments
        self._taken = RESERVED | set(taken)
        self._labels = tiers.tiers
        self._tiers = {
            folded(text): code for code, tier in tiers.tiers.items() for text in (code, tier.label.ja, tier.label.en)
        }

    def read(self, row: Row) -> Facts | list[Fault]:
        """The facts of one row, or every fault in it."""
        faults: list[Fault] = []

        def column(name: str, meaning: Callable[[str], str]) -> str:
            try:
                text = self._cell(row, name)
                if not text and name in REQUIRED:
                    raise BadValue("値がない", "is missing")  # noqa: TRY301 - one place where faults are taken up
                return meaning(text)
            except BadValue as error:
                faults.append(Fault(row.line, self._headings.told(name), Both(error.ja, error.en)))
                return ""

        width = self._headings.width
        if any(cell.strip() for cell in row.cells[width:]):
            place = Both(f"{width + 1}列目", f"column {width + 1}")
            reason = Both(
                "見出しよりセルが多い(引用符で囲んでいない「,」がないか確認する)",
                "more cells than headings: is a comma unquoted?",
            )
            faults.append(Fault(row.line, place, reason))
        asset = column("asset", _asset)
        name = column("name", self._name) or asset.lower()
        if asset and name == asset.lower() and name in self._taken:
            faults.append(Fault(row.line, self._headings.told("asset"), _reserved(name)))
        address = column("mac", mac.normal)
        kind = column("kind", _kind)
        tier = column("tier", self._tier)
        department = column("department", self._department)
        owner = column("owner", _owner)
        if kind and tier and tier not in _TIERS[cast("Kind", kind)]:
            expected = self._names(_TIERS[cast("Kind", kind)])
            label = self._labels[tier].label.ja
            reason = Both(
                f"{KINDS[cast('Kind', kind)].ja}は「{label}」に置けない。次のいずれか: {expected}",
                f"a terminal of the kind {kind} cannot be in the tier {tier}; expected: {expected}",
            )
            faults.append(Fault(row.line, self._headings.told("tier"), reason))
        if faults:
            return faults
        return Facts(row.line, asset, name, address, cast("Kind", kind), tier, department, owner)

    def repeated(self, facts: Iterable[Facts]) -> list[Fault]:
        """A fault for every row whose asset number, name or MAC address stands in another row too."""
        faults = []
        every = list(facts)
        for column in ("asset", "name", "mac"):
            lines: dict[str, list[int]] = defaultdict(list)
            for one in every:
                lines[getattr(one, column)].append(one.line)
            for value, at in lines.items():
                if len(at) > 1 and not (column == "name" and "name" not in self._headings.position):
                    for line in at:
                        others = ", ".join(str(other) for other in at if other != line)
                        reason = Both(
                            f"{value} は{others[:60]}行目にもある", f"{value} stands also in line {others[:60]}"
                        )
                        faults.append(Fault(line, self._headings.told(column), reason))
        return faults

    def _cell(self, row: Row, name: str) -> str:
        at = self._headings.position.get(name)
        if at is None or at >= len(row.cells):
            return ""
        if at in row.formulas:
            raise BadValue(
                "数式が入っている。計算はしないので、値として貼り付ける",
                "holds a formula, which is not calculated here; paste it as a value",
            )
        if len(row.cells[at]) > MAX_CELL:
            raise BadValue(f"{MAX_CELL}文字を超えている", f"longer than {MAX_CELL} characters")
        return row.cells[at].strip()

    def _name(self, text: str) -> str:
        if not text:
            return ""
        name = plain(text).lower()
        if not _NAME.fullmatch(name):
            raise BadValue(
                f"{text[:40]!r} は端末名にできない(英字・数字・ハイフン)",
                f"{text[:40]!r} is no host name; expected letters, digits and hyphens",
            )
        if name in self._taken:
            reserved = _reserved(name)
            raise BadValue(reserved.ja, reserved.en)
        return name

    def _tier(self, text: str) -> str:
        code = self._tiers.get(folded(text))
        if code is None:
            known = self._names(("lgwan", "mynumber", "internet", "devices"))
            raise BadValue(
                f"{text[:40]!r} という系統はない。次のいずれか: {known}",
                f"{text[:40]!r} is no known tier; expected: {known}",
            )
        return code

    def _names(self, codes: Iterable[str]) -> str:
        """Tiers as the file is to name them."""
        return ", ".join(self._labels[code].label.ja for code in codes)

    def _department(self, text: str) -> str:
        code = self._departments.code(text)
        if code is None:
            raise BadValue(
                f"{text[:40]!r} という所属はない。新しい所属なら inventory/departments.yml に加える",
                f"{text[:40]!r} is no known department; add it to inventory/departments.yml",
            )
        return code


def _reserved(name: str) -> Both:
    return Both(f"{name!r} はサーバまたはグループの名前", f"{name!r} is the name of a server or a group")


def _asset(text: str) -> str:
    asset = plain(text).upper()
    if not _ASSET.fullmatch(asset):
        raise BadValue(
            f"{text[:40]!r} は資産番号にできない(英字・数字・ハイフンで40文字まで)",
            f"{text[:40]!r} is no asset number; expected up to 40 letters, digits and hyphens",
        )
    return asset


def _kind(text: str) -> str:
    if (kind := _KINDS.get(folded(text))) is None:
        raise BadValue(
            f"{text[:40]!r} という種別はない。次のいずれか: 職員端末, 番号利用端末, プリンタ, その他",
            f"{text[:40]!r} is no known kind; expected: 職員端末, 番号利用端末, プリンタ, その他",
        )
    return kind


def _owner(text: str) -> str:
    owner = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(mark) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for mark in owner):
        raise BadValue("制御文字が入っている", "holds control characters")
    return owner
