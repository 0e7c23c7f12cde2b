"""A layer for the ATT&CK Navigator: which techniques rules look for, and how many do.

Source: the layer file format 4.5 of MITRE's ATT&CK Navigator.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from sekisho.detection.rules.rule import LEVELS, Rule

_TECHNIQUE = re.compile(r"attack\.(t[0-9]{4}(?:\.[0-9]{3})?)", re.IGNORECASE)
_COLOURS = ("#e8f1fa", "#0b5394")


def layer(rules: Iterable[Rule], name: str) -> dict[str, Any]:
    """The layer, as JSON has it. A technique's score is the number of its rules; a sub-technique counts for itself."""
    by_technique: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        for technique in techniques(rule):
            by_technique[technique].append(rule)
    most = max(map(len, by_technique.values()), default=0)
    return {
        "name": name,
        "versions": {"navigator": "4.9.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "The score of a technique is the number of exported rules that name it.",
        "sorting": 3,
        "techniques": [_technique(one, by_technique[one]) for one in sorted(by_technique)],
        "gradient": {"colors": list(_COLOURS), "minValue": 0, "maxValue": max(most, 1)},
    }


def techniques(rule: Rule) -> list[str]:
    """The techniques that a rule's tags name, as ATT&CK writes them."""
    found = (_TECHNIQUE.fullmatch(tag) for tag in rule.tags)
    return sorted({one[1].upper() for one in found if one})


def _technique(name: str, rules: list[Rule]) -> dict[str, Any]:
    levels = Counter(rule.level for rule in rules)
    return {
        "techniqueID": name,
        "score": len(rules),
        "metadata": [{"name": level, "value": str(levels[level])} for level in reversed(LEVELS) if levels[level]],
    }
