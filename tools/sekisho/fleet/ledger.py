"""The fleet ledger: every terminal, where it stands, and how it came there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields

from sekisho.core import reason
from sekisho.core.clock import stamp
from sekisho.core.errors import BadInput, Refused
from sekisho.core.language import Both
from sekisho.core.reason import Reason
from sekisho.core.state import State, Transaction
from sekisho.fleet.standing import LEGAL, Standing
from sekisho.fleet.terminal import KINDS, Terminal

_COLUMNS = ", ".join(field.name for field in fields(Terminal))


@dataclass(frozen=True)
class Step:
    """One line of a terminal's history: when, who, why, from where to where, and the record that proves it."""

    at: str
    who: str
    why: Reason
    was: Standing | None
    became: Standing
    tier: str
    record: int


class Ledger:
    """Reads the terminals of a state folder; changes one only together with its record."""

    def __init__(self, state: State) -> None:
        self._state = state

    def terminals(self, *, wave: str | None = None, standing: Iterable[Standing] | None = None) -> list[Terminal]:
        """Terminals in the order of their asset numbers: all, those of a wave, or those of some standings."""
        rows = self._state.read(
            f"SELECT {_COLUMNS} FROM terminal WHERE ?1 IS NULL OR wave = ?1 ORDER BY asset",  # noqa: S608 - our own names
            (wave,),
        )
        wanted = None if standing is None else set(standing)
        found = (_terminal(row) for row in rows)
        return [one for one in found if wanted is None or one.standing in wanted]

    def terminal(self, asset: str) -> Terminal:
        """The terminal with this asset number.

        Raises:
            BadInput: the ledger has none.
        """
        rows = self._state.read(f"SELECT {_COLUMNS} FROM terminal WHERE asset = ?", (asset,))  # noqa: S608 - our own names
        if not rows:
            raise BadInput(
                Both(f"台帳に端末 {asset} はない", f"the ledger has no terminal {asset}"),
                Both("資産番号は `sekisho fleet list` で確認する", "see `sekisho fleet list` for the asset numbers"),
            )
        return _terminal(rows[0])

    def move(
        self,
        tx: Transaction,
        asset: str,
        to: Standing,
        *,
        who: str,
        why: Reason,
        record: int,
        tier: str | None = None,
        wave: str | None = None,
        lease: int | None = None,
    ) -> Terminal:
        """Move a terminal to its next standing, within the transaction that also holds the record `record`.

        `tier`, `wave` and `lease` stay as they are unless given.

        Raises:
            BadInput: there is no such terminal.
            Refused: `to` cannot follow the present standing, or the terminal never moves.
        """
        now = self.terminal(asset)
        if not now.movable:
            raise Refused(
                Both(
                    f"{asset}は移行対象外({KINDS[now.kind].ja})",
                    f"{asset} never moves: it is a {now.kind} terminal of the {now.home} tier",
                )
            )
        if to not in LEGAL[now.standing]:
            next_ = sorted(LEGAL[now.standing])
            raise Refused(
                Both(
                    f"{asset}を「{to.ja}」にできない: 現在は「{now.standing.ja}」で、"
                    f"次になれるのは{'・'.join(one.ja for one in next_) or 'なし'}",
                    f"{asset} cannot become {to}: it is {now.standing}, which only {', '.join(next_) or 'nothing'}"
                    " may follow",
                )
            )
        told = why.stored()
        tx.run(
            "UPDATE terminal SET standing = ?, why = ?, tier = coalesce(?, tier), wave = coalesce(?, wave),"
            " lease = coalesce(?, lease) WHERE asset = ?",
            (to, told, tier, wave, lease, asset),
        )
        if to == Standing.UNPLANNED:
            tx.run("UPDATE terminal SET wave = NULL, lease = NULL WHERE asset = ?", (asset,))
        tx.run(
            "INSERT INTO history (asset, at, who, why, was, became, tier, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (asset, stamp(), who, told, now.standing, to, tier or now.tier, record),
        )
        return self.terminal(asset)

    def bind(self, tx: Transaction, asset: str, serial: str) -> None:
        """Note the serial number of the terminal's device certificate."""
        tx.run("UPDATE terminal SET serial = ? WHERE asset = ?", (serial, asset))

    def history(self, asset: str) -> list[Step]:
        """Every step of a terminal, oldest first."""
        rows = self._state.read(
            "SELECT at, who, why, was, became, tier, record FROM history WHERE asset = ? ORDER BY id", (asset,)
        )
        return [
            Step(
                row["at"],
                row["who"],
                reason.read(row["why"]),
                Standing(row["was"]) if row["was"] else None,
                Standing(row["became"]),
                row["tier"],
                row["record"],
            )
            for row in rows
        ]


def _terminal(row: sqlite3.Row) -> Terminal:
    try:
        standing = Standing(row["standing"])
    except ValueError as error:
        raise BadInput(
            Both(
                f"{row['asset']}: 台帳の状態 {row['standing']!r} は知らない語",
                f"{row['asset']}: the ledger says {row['standing']!r}, which is no standing",
            ),
            Both("控えから復元する", "restore the state's backup"),
        ) from error
    return Terminal(**{**dict(row), "standing": standing, "why": reason.read(row["why"])})
