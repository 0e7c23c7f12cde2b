"""Reasons: each code has a sentence in both languages, each is kept whole, and nothing else is given as a reason."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from sekisho.core import folders, phrases, reason
from sekisho.core.language import Both
from sekisho.core.reason import because, typed
from sekisho.core.sentences import NEXT, SENTENCES, Code
from sekisho.migration import checks

PACKAGE = Path(reason.__file__).resolve().parents[1]
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def names(sentence: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(sentence) if field}


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of `name` in the package, with where it stands."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == name:
                yield f"{path.name}:{node.lineno}", node


@pytest.mark.parametrize("code", Code)
def test_every_code_is_a_sentence_in_both_languages_with_the_same_values(code: Code) -> None:
    ja, en = SENTENCES[code]
    assert JAPANESE.search(ja)
    assert en
    assert not JAPANESE.search(en)
    assert names(ja) == names(en)


@pytest.mark.parametrize("code", NEXT)
def test_every_next_step_is_in_both_languages_and_fills_from_what_the_reason_has(code: str) -> None:
    ja, en = NEXT[code]
    assert names(ja) == names(en) <= {"remedy"}
    assert names(ja) or (JAPANESE.search(ja) and not JAPANESE.search(en))


def test_every_reason_in_the_package_is_a_code_with_the_values_that_its_sentence_names() -> None:
    seen = set()
    for where, call in calls("because"):
        first = call.args[0]
        if not (isinstance(first, ast.Attribute) and getattr(first.value, "id", "") == "Code"):
            continue  # a code chosen at run time, from a table of codes
        code = Code[first.attr]
        seen.add(code)
        given = {word.arg for word in call.keywords}
        assert names(SENTENCES[code][0]) <= given, f"{where}: {code} wants {given}"
    assert len(seen) > 20


def test_every_code_is_given_somewhere() -> None:
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name != "sentences.py":
            used |= set(re.findall(r"\bCode\.([A-Z_]+)", path.read_text(encoding="utf-8")))
    assert {code.name for code in Code} == used


def test_no_change_has_a_reason_in_free_text() -> None:
    for name, place in (("Change", 2), ("move", 99)):
        for where, call in calls(name):
            given = [*call.args[place : place + 1], *(word.value for word in call.keywords if word.arg == "why")]
            assert not [one for one in given if isinstance(one, (ast.Constant, ast.JoinedStr))], where


def test_a_reason_keeps_code_values_and_both_sentences() -> None:
    gate = Both("入口ゲート", "entry gate")
    fact = Both("想定外の管理者アカウントがない", "nobody else is administrator")
    detail = phrases.both("unexpected administrators: rogue")
    one = because(
        Code.CHECK_FAILED, gate=gate, check="administrators", fact=fact, detail=detail, remedy=Both("外す", "remove")
    )
    assert one.ja == "入口ゲート「想定外の管理者アカウントがない」に不合格: rogue"
    assert one.en == "the entry gate failed: “nobody else is administrator”: unexpected administrators: rogue"
    assert one.next == Both("外す", "remove")
    assert reason.read(one.stored()) == one
    assert reason.read(json.loads(json.dumps(one.as_json()))) == one


def test_the_sentence_of_a_record_is_read_as_it_was_told_even_if_its_code_is_gone() -> None:
    old = {"code": "a-code-of-another-time", "values": {}, "ja": "昔の理由", "en": "an old reason"}
    one = reason.read(old)
    assert (one.ja, one.en, one.next) == ("昔の理由", "an old reason", None)


@pytest.mark.parametrize(
    "text", ["", "机を移動するため", "{not JSON", '{"code": 1}', '{"code":"x"}', "moved {by} hand"]
)
def test_a_persons_words_stay_as_typed(text: str) -> None:
    assert reason.read(typed(text).stored()).ja == text
    assert reason.read(text).en == text


def test_a_value_is_never_taken_for_a_sentence() -> None:
    assert because(Code.IMPORTED, file="{file}{x}.csv").en == "imported from {file}{x}.csv"


RAISED = {"RequestError", "RuntimeError", "AssertionError", "ConnectionError"}


def sentences(path: Path) -> Iterator[tuple[str, str]]:
    """What a program may say: messages of its assertions and of its `RequestError`s, `{}` for each value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        message = node.msg if isinstance(node, ast.Assert) else None
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED and node.args:
            message = node.args[0]
        if isinstance(message, ast.Constant):
            yield f"{path.name}:{message.lineno}", str(message.value)
        elif isinstance(message, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in message.values]
            yield f"{path.name}:{message.lineno}", "".join(parts)


def test_whatever_a_check_or_the_radius_server_says_is_known_in_japanese() -> None:
    programs = [*(folders.data("audit") / "checks").glob("*.py")]
    programs.append(folders.data("playbooks") / "roles" / "radius" / "files" / "sekisho_assign.py")
    said = [one for path in programs for one in sentences(path)]
    assert len(said) > 40
    assert [one for one in said if one[1] not in phrases.PHRASES] == [], "add them to core/phrases.py"


@pytest.mark.parametrize("en", phrases.PHRASES)
def test_a_phrase_is_recognised_with_its_values(en: str) -> None:
    values = [f"v{number}" for number in range(en.count("{}"))]
    assert phrases.both(en.format(*values)) == Both(phrases.PHRASES[en].format(*values), en.format(*values))


def test_what_is_no_phrase_is_told_as_it_came() -> None:
    assert phrases.both("Out of cheese") == Both("Out of cheese", "Out of cheese")


def test_every_check_says_its_fact_and_its_remedy_in_both_languages() -> None:
    for one in checks.catalogue().values():
        assert JAPANESE.search(one.ja), one.id
        assert JAPANESE.search(one.remedy.ja), one.id
        assert not JAPANESE.search(one.en + one.remedy.en), one.id
