"""What no query over our index can answer as the engine does: refused by name, rather than answered wrongly.

Fields are keywords in small letters, and one longer than `template.LONGEST` is not indexed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaRule
from sigma.types import (
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
)

from sekisho.core.language import Both
from sekisho.detection.export.formats import Format
from sekisho.detection.rules.refusal import CannotUse
from sekisho.telemetry.elastic import template

_NOT = re.compile(r"\bnot\b", re.IGNORECASE)
_STARS = 12  # in one pattern: more make an automaton that the server may find too large
# Values of a query, under all the names of their fields, and their characters. One with 2,366 values of 65 characters
# ended a server of 512 MB of heap.
MOST, LARGEST = 1024, 65_536
_UNEVEN = frozenset("İΣσς")  # Lucene makes small letters of these one by one, the engine by Unicode's full mapping
_KINDS: tuple[tuple[type[SigmaType], Both], ...] = (
    (
        SigmaRegularExpression,
        Both(
            "正規表現(re): 索引は小文字で、Luceneの正規表現は^、$、先読みを知らず、合わなくても誤りにならない",
            "a regular expression (re): the index has small letters, and Lucene's expressions know no ^, $ or "
            "look-ahead, and find nothing without an error",
        ),
    ),
    (
        SigmaCasedString,
        Both(
            "大文字と小文字の区別(cased): 索引は小文字だけ", "a comparison of case (cased): the index has small letters"
        ),
    ),
    (
        SigmaCIDRExpression,
        Both(
            "ネットワーク(cidr): 索引ではアドレスも文字列で、何にも合わない",
            "a network (cidr): addresses are text in the index, and it would match nothing",
        ),
    ),
    (
        SigmaTimestampPart,
        Both("時刻の一部: 索引では時刻も文字列", "a part of a time: times of the source are text in the index"),
    ),
    (
        SigmaCompareExpression,
        Both(
            "数の大小: 索引では数も文字列で、'9' は '10' より大きい",
            "a comparison of numbers: they are text in the index, where '9' is above '10'",
        ),
    ),
    (
        SigmaFieldReference,
        Both("別の項目との比較(fieldref): Luceneにはない", "another field's value (fieldref): Lucene has none"),
    ),
)


def check(rule: SigmaRule) -> None:
    """Look at everything that a rule asks for.

    Raises:
        CannotUse: a query would answer otherwise than the engine.
    """
    for detection in rule.detection.detections.values():
        for item in _items(detection):
            if item.field is None:
                raise CannotUse(
                    "項目名のないキーワード: 当方が加えた項目(ファイル名、端末名など)も探されてしまう",
                    "words without a field: they would be looked for in what we add, such as file and host names, too",
                )
            for value in _values(item.value):
                _check(item.field, value)


def check_size(rule: SigmaRule) -> None:
    """Look at how much a rule has become: the server makes an automaton of each value, and may end for want of memory.

    Raises:
        CannotUse: it asks for too many values.
    """
    found = [
        value
        for one in rule.detection.detections.values()
        for item in _items(one)
        for value in _values(item.value)
        if isinstance(value, SigmaString)
    ]
    size = sum(len(value.s) + sum(len(one) for one in value.s if isinstance(one, str)) for value in found)
    if len(found) > MOST or size > LARGEST:
        raise CannotUse(
            f"大きすぎる(値{len(found):,}個、{size:,}文字): サーバがメモリ不足で止まりうる",
            f"too large ({len(found):,} values, {size:,} characters): a server may end for want of memory",
        )


def check_format(rule: SigmaRule, form: Format) -> None:
    """Look at what a rule has become, for what a format cannot say.

    Raises:
        CannotUse: a query in this format would answer otherwise than the engine.
    """
    found = [item for one in rule.detection.detections.values() for item in _items(one)]
    if not form.two_valued and (
        any(item.negated for item in found)
        or any(_NOT.search(one.condition) for one in rule.detection.parsed_condition)
    ):
        raise CannotUse(
            f"not: {form.target}では、項目のないイベントに成り立たない",
            f"a `not`: in {form.target} it does not hold where the field is missing",
        )
    if not form.patterns and any("*" in str(item.field) for item in found):
        raise CannotUse(
            f"名前の一部しか分からない項目がある: {form.target}では指せない",
            f"a field is known by a part of its name only, which {form.target} cannot say",
        )


def _items(detection: SigmaDetection) -> Iterator[SigmaDetectionItem]:
    for one in detection.detection_items:
        if isinstance(one, SigmaDetection):
            yield from _items(one)
        else:
            yield one


def _values(some: list[SigmaType]) -> Iterator[SigmaType]:
    for one in some:
        if isinstance(one, SigmaExpansion):
            yield from _values(one.values)
        else:
            yield one


def _check(field: str, value: SigmaType) -> None:
    for kind, why in _KINDS:
        if isinstance(value, kind):
            raise CannotUse(f"{field}: {why.ja}", f"{field}: {why.en}")
    if not isinstance(value, SigmaString):
        return
    text = "".join(one for one in value.s if isinstance(one, str))
    if len(text) > template.LONGEST:
        raise CannotUse(
            f"{field}: 索引にない長さの値({template.LONGEST:,}文字を超える)",
            f"{field}: a value longer than those that are indexed ({template.LONGEST:,} characters)",
        )
    if sum(not isinstance(one, str) for one in value.s) > _STARS:
        raise CannotUse(f"{field}: ワイルドカードが多すぎる", f"{field}: too many wildcards")
    if _UNEVEN & set(text):
        raise CannotUse(
            f"{field}: Luceneが別の小文字にする文字がある",
            f"{field}: it has a letter that Lucene makes another small letter of",
        )
