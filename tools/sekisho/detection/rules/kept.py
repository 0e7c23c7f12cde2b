"""A set of rules as JSON, so that it can be kept: to read it again takes a hundredth of what pySigma takes.

It is read as data and nothing else, into the types of `rule`; what does not fit is refused.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from sekisho.detection.rules.rule import Ruleset

VERSION: Final = 3  # of what is written here


class _Kept(msgspec.Struct, frozen=True):
    version: Literal[3]
    ruleset: Ruleset


_decoder = msgspec.json.Decoder(_Kept)


def written(ruleset: Ruleset) -> bytes:
    """The set as JSON."""
    return msgspec.json.encode(_Kept(VERSION, ruleset))


def read(data: bytes) -> Ruleset:
    """The set that was written.

    Raises:
        ValueError: it is none.
    """
    try:
        return _decoder.decode(data).ruleset
    except (ValueError, RecursionError) as error:
        raise ValueError("not a set of rules that was kept") from error
