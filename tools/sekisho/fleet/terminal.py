"""A terminal as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sekisho.core.language import Both
from sekisho.core.reason import Reason
from sekisho.fleet.standing import Standing

Kind = Literal["staff", "mynumber", "printer", "other"]

KINDS: dict[Kind, Both] = {
    "staff": Both("職員端末", "staff terminal"),
    "mynumber": Both("番号利用端末", "My Number terminal"),
    "printer": Both("プリンタ", "printer"),
    "other": Both("その他機器", "other device"),
}


@dataclass(frozen=True)
class Terminal:
    """One row of the ledger.

    `number` gives its address in every tier; `home` is the tier that it was imported in, `tier` the one in which it was
    last known to be by acknowledgement; `serial` is its device certificate's, in lower-case hexadecimal.
    """

    asset: str
    number: int
    name: str
    mac: str
    kind: Kind
    department: str
    owner: str
    home: str
    tier: str
    standing: Standing
    wave: str | None
    lease: int | None
    serial: str | None
    why: Reason

    @property
    def movable(self) -> bool:
        """Only a staff terminal whose home is the LGWAN tier ever crosses."""
        return self.kind == "staff" and self.home == "lgwan"
