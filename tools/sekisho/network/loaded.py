"""The rules that a machine has in force, as `nft list ruleset` tells them, held against those that it should have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

TABLE = "inet sekisho"

# What nft adds or shortens when it tells a rule that was loaded.
_ADDED = re.compile(r" burst \d+ packets")
_ONE_HOST = re.compile(r"(?<=\d)/32\b")


def tables(text: str) -> list[str]:
    """Every table that is there, as family and name."""
    return re.findall(r"^table (\S+ \S+) \{", text, re.MULTILINE)


def differences(loaded: str, wanted: str) -> list[str]:
    """What the table `inet sekisho` has that it should not have, and what it lacks; none when it is as wanted.

    `wanted` is a file for `nft -f`. Every line counts, a chain's hook and default too, so a line of a kind that nobody
    thought of is a difference.
    """
    now, then = list(_lines(loaded)), list(_lines(wanted))
    more, fewer = Counter(now) - Counter(then), Counter(then) - Counter(now)
    found = [f"has {line}" for line in more.elements()] + [f"lacks {line}" for line in fewer.elements()]
    return found if found or now == then else ["has its rules in another order"]


def _lines(text: str) -> Iterator[str]:
    where: list[str] = []
    for line in (_ONE_HOST.sub("", _ADDED.sub("", raw.strip())) for raw in text.splitlines()):
        if line == "}":
            where = where[:-1]
        elif line.endswith("{"):
            where.append(line.removesuffix("{").strip())
        elif line and not line.startswith("#") and where[:1] == [f"table {TABLE}"]:
            yield f"{where[-1].removeprefix('chain ')}: {line}"
