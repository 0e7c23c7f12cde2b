r"""Regular expressions of rules, by RE2: it takes time in proportion to the text, whatever the expression.

Sigma asks for PCRE without look-around and back-references, which is what RE2 has. `\d`, `\w`, `\s` and `\b` are those
of ASCII; `$` is also true before a last line's end, as in PCRE and Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from sekisho.detection.rules.refusal import CannotUse
from sekisho.detection.rules.rule import Regex

_MEMORY = 32 * 1024 * 1024  # octets that one expression may take
_LONGEST = 20_000  # characters


@lru_cache(maxsize=10_000)
def searcher(regex: Regex) -> Callable[[str], object]:
    """A function that says whether a text has it; its answer is true or false as a condition.

    Raises:
        CannotUse: it is no expression that RE2 knows.
    """
    if len(regex.pattern) > _LONGEST:
        raise CannotUse("正規表現が長すぎる", "the regular expression is too long")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.case_sensitive = not regex.ignore_case
    options.dot_nl = regex.dot_all
    flags = "(?m)" if regex.multiline else ""
    text = regex.pattern if regex.multiline else _python_end(regex.pattern)
    try:
        return re2.compile(flags + text, options=options).search  # type: ignore[no-any-return]
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise CannotUse(f"正規表現が使えない: {why}", f"a regular expression that cannot be used: {why}") from error


def _python_end(pattern: str) -> str:
    r"""The pattern with `$` written as `(?:\n?\z)`, outside of classes and where it is not escaped."""
    found, at, within = [], 0, False
    while at < len(pattern):
        one = pattern[at]
        if one == "\\":
            found.append(pattern[at : at + 2])
            at += 2
            continue
        if within:
            within = one != "]"
        elif one == "[":
            within = True
            begin = at + 1 + (pattern[at + 1 : at + 2] == "^")
            if pattern[begin : begin + 1] == "]":  # as the first it is a character like others
                found.append(pattern[at : begin + 1])
                at = begin + 1
                continue
        found.append(r"(?:\n?\z)" if one == "$" and not within else one)
        at += 1
    return "".join(found)
