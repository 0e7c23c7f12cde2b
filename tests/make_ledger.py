"""Writes inventory/example/ledger-6000.csv: 6,000 made-up terminals, always the same ones.

python tests/make_ledger.py > inventory/example/ledger-6000.csv
"""

from __future__ import annotations

import sys

from sekisho.fleet import departments

_TERMINALS = 6000
_UNITS = ("管理係", "企画係", "調整係", "事業係")


def lines() -> list[str]:
    """The file's lines: departments of unequal size, and in every hundred two printers and one My Number terminal."""
    names = [label.ja for label in departments.read().departments.values()]
    weighted = [name for at, name in enumerate(names) for _ in range(1 + at % 4)]
    found = ["資産番号,端末名,MACアドレス,種別,系統,課,利用者/管理者"]
    for number in range(1, _TERMINALS + 1):
        kind, tier, prefix = {
            50: ("プリンタ", "802.1X非対応機器", "PR"),
            99: ("プリンタ", "802.1X非対応機器", "PR"),
            75: ("番号利用端末", "マイナンバー利用事務系", "MN"),
        }.get(number % 100, ("職員端末", "LGWAN接続系", "PC"))
        department = weighted[number % len(weighted)]
        unit = _UNITS[number // len(weighted) % len(_UNITS)]
        asset = f"{prefix}-{10000 + number}"
        mac = f"02:5e:10:00:{number >> 8:02x}:{number & 255:02x}"
        found.append(f"{asset},{asset.lower()},{mac},{kind},{tier},{department},{department} {unit}")
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
