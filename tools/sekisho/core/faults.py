"""What pydantic finds wrong with a file's content, in both languages: it speaks English only, but names the kind."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import ErrorDetails

from sekisho.core.errors import BadValue
from sekisho.core.language import Both

_INTEGER = "整数でなければならない"
_NUMBER = "数値でなければならない"
_TEXT = "文字列でなければならない"
_TRUTH = "true か false でなければならない"
_DATE = "日付でなければならない(例: 2027-03-25)"
_SEVERAL = "一覧([ ] で囲むか、- で始まる行)でなければならない"
_PAIRS = "「項目: 値」の組でなければならない"

# By pydantic's type of the fault, with the values of its context. A kind that is not here is told as pydantic does.
_JAPANESE = {
    "missing": "必要な項目がない",
    "extra_forbidden": "知らない項目",
    "string_type": _TEXT,
    "string_too_short": "{min_length}文字以上でなければならない",
    "string_pattern_mismatch": "書き方が違う(正規表現 {pattern} に合わせる)",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "literal_error": "次のいずれかでなければならない: {expected}",
    "greater_than": "{gt}より大きくなければならない",
    "greater_than_equal": "{ge}以上でなければならない",
    "less_than": "{lt}より小さくなければならない",
    "less_than_equal": "{le}以下でなければならない",
    "too_short": "{min_length}件以上なければならない",
    "tuple_type": _SEVERAL,
    "list_type": _SEVERAL,
    "dict_type": _PAIRS,
    "model_type": _PAIRS,
    "ip_v4_address": "IPv4アドレスでなければならない(例: 10.10.0.1)",
    "ip_v4_network": "IPv4ネットワークでなければならない(例: 10.10.0.0/18)",
}


def told(fault: ErrorDetails) -> Both:
    """A fault as a person reads it: the way to the value, and what is wrong with it."""
    where = ".".join(str(step) for step in fault["loc"])
    what = _what(fault)
    return Both(f"{where}: {what.ja}", f"{where}: {what.en}") if where else what


def distinct(faults: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """The faults without those that only follow from another: a list is also called short when an item of it is bad."""
    places = [fault["loc"] for fault in faults]

    def follows(fault: ErrorDetails) -> bool:
        place = fault["loc"]
        return fault["type"] == "too_short" and any(
            len(other) > len(place) and other[: len(place)] == place for other in places
        )

    return [fault for fault in faults if not follows(fault)]


def _what(fault: ErrorDetails) -> Both:
    context = fault.get("ctx", {})
    ours = context.get("error")
    if isinstance(ours, BadValue):
        return Both(ours.ja, ours.en)
    english = {"extra_forbidden": "unknown key", "missing": "is missing"}.get(fault["type"], fault["msg"])
    english = english.removeprefix("Value error, ")
    japanese = _JAPANESE.get(fault["type"])
    # pydantic joins what it expects by an English word.
    values = {name: str(value).replace(" or ", ", ") for name, value in context.items()}
    return Both(english if japanese is None else japanese.format_map(values), english)
