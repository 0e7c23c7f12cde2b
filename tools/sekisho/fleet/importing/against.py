"""The rows of a file held against the terminals that the ledger knows already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sekisho.core.language import Both
from sekisho.fleet.importing.rows import Facts
from sekisho.fleet.importing.table import Fault
from sekisho.fleet.standing import Standing
from sekisho.fleet.terminal import KINDS, Terminal


def compare(
    known: Mapping[str, Terminal], rows: Iterable[Facts], told: Callable[[str], str]
) -> tuple[list[Facts], list[Fault]]:
    """The rows that agree with the ledger, and a fault for each that does not.

    `known` are the ledger's terminals by asset number; `told` is a column's heading as the file has it.
    """
    macs = {one.mac: one.asset for one in known.values()}
    names = {one.name: one.asset for one in known.values()}
    good, faults = [], []
    for one in rows:
        there = known.get(one.asset)
        wrong: list[tuple[str, Both]] = []
        if macs.get(one.mac, one.asset) != one.asset:
            holder = macs[one.mac]
            reason = Both(f"{one.mac} は台帳では{holder}のもの", f"{one.mac} belongs to {holder} in the ledger")
            wrong.append(("mac", reason))
        if names.get(one.name, one.asset) != one.asset:
            holder = names[one.name]
            reason = Both(f"{one.name} は台帳では{holder}の端末名", f"{one.name} is the name of {holder} in the ledger")
            wrong.append(("name", reason))
        if there is not None:
            if there.kind != one.kind:
                reason = Both(
                    f"台帳では{KINDS[there.kind].ja}。種別の違う端末には新しい資産番号を付ける",
                    f"the ledger has {there.kind}; a terminal of another kind needs a new asset number",
                )
                wrong.append(("kind", reason))
            for column, was, became in (("mac", there.mac, one.mac), ("name", there.name, one.name)):
                if was != became and there.standing != Standing.UNPLANNED:
                    reason = Both(
                        f"台帳では {was}。変更できるのは未計画の間だけで、現在は「{there.standing.ja}」",
                        f"the ledger has {was}; it can change only while the terminal is unplanned,"
                        f" and it is {there.standing}",
                    )
                    wrong.append((column, reason))
        faults += [Fault(one.line, told(column), reason) for column, reason in wrong]
        if not wrong:
            good.append(one)
    return good, faults
