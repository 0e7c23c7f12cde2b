"""MAC addresses in the one form in which they are stored."""

from __future__ import annotations

import re

from sekisho.core.errors import BadValue
from sekisho.core.text import plain

_HEX = r"[0-9a-f]"
_NOTATIONS = re.compile(
    rf"{_HEX}{{12}}|{_HEX}{{2}}(:{_HEX}{{2}}){{5}}|{_HEX}{{2}}(-{_HEX}{{2}}){{5}}|{_HEX}{{4}}(\.{_HEX}{{4}}){{2}}"
    rf"|{_HEX}{{6}}[-:]{_HEX}{{6}}|{_HEX}{{4}}(-{_HEX}{{4}}){{2}}"
)


def normal(text: str) -> str:
    """`text` in any common notation, full-width too, as six lower-case pairs with colons.

    Raises:
        BadValue: it is no MAC address, or not one that a single network card can have.
    """
    digits = plain(text).lower()
    if not _NOTATIONS.fullmatch(digits):
        raise BadValue(
            f"{text[:40]!r} はMACアドレスではない(16進数12桁。例: 02:5e:00:00:00:01)",
            f"{text[:40]!r} is no MAC address; expected 12 hexadecimal digits such as 02:5e:00:00:00:01",
        )
    digits = re.sub("[^0-9a-f]", "", digits)
    if int(digits[:2], 16) & 1 or digits == "0" * 12:
        raise BadValue(
            f"{text[:40]!r} はグループ宛かすべて0で、1枚のネットワークカードのMACアドレスではない",
            f"{text[:40]!r} is a group address or all zeros, not one network card's MAC address",
        )
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
