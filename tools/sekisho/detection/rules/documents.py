"""Files of rules as plain data: what came from outside is measured before anything looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from sekisho.detection.rules.refusal import CannotUse

_LARGEST = 4 * 1024 * 1024  # octets of a file
_MOST = 100_000  # values in a file, each counted as often as it is referred to
_DEEPEST = 50
_INDENTED = re.compile(r"^[ ?:-]*", re.MULTILINE)  # a level of a block takes a column at least
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Refuses a key that stands twice in a map: YAML forbids it, and PyYAML would let go of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As the base has it."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                told = key.tag, key.value
                if told in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark
                    )
                seen.add(told)
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The documents of a file.

    Raises:
        CannotUse: it is not YAML, too large, or nothing but maps is expected in it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CannotUse(f"読めない: {error.strerror}", f"cannot be read: {error.strerror}") from error
    if len(raw) > _LARGEST:
        raise CannotUse("ファイルが大きすぎる", "the file is too large")
    try:
        text = raw.decode("utf-8-sig")
        _look_down(text)
        some = list(yaml.load_all(text, _Loader))
    except CannotUse:
        raise
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError, TypeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f"{where.line + 1}: " if where else ""
        why = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise CannotUse(f"YAMLとして読めない: {line}{why}", f"not YAML: {line}{why}") from error
    _measure(some)
    for one in some:
        if one is None:
            continue
        if not isinstance(one, dict):
            raise CannotUse("ルールではない(キーと値の組ではない)", "no rule: not a map")
        yield one


def _look_down(text: str) -> None:
    """Refuse what is nested so deep that libyaml's loader would overrun its stack, and end the process."""
    brackets = text.count("[") + text.count("{")
    if brackets <= _DEEPEST and max(map(len, _INDENTED.findall(text)), default=0) <= _DEEPEST:
        return
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise CannotUse("入れ子が深すぎる", "nested too deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _measure(some: Sequence[object]) -> None:
    waiting: list[tuple[object, int]] = [(one, 0) for one in some]
    count = 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        if count > _MOST or depth > _DEEPEST:
            raise CannotUse("値が多すぎるか、入れ子が深すぎる", "too many values, or nested too deep")
        if isinstance(one, dict):
            waiting += ((part, depth + 1) for part in (*one.keys(), *one.values()))
        elif isinstance(one, list):
            waiting += ((part, depth + 1) for part in one)
