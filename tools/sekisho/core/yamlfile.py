"""YAML read strictly: a mistake is answered with file, line and what was expected."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sekisho.core import faults
from sekisho.core.errors import BadInput, Missing
from sekisho.core.language import Both
from sekisho.core.phrases import both


class Strict(BaseModel):
    """The base of every model read from a file: unknown keys are refused, values are not changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


Model = TypeVar("Model", bound=BaseModel)
_LIMIT = 4 * 1024 * 1024
_MEND = Both("その行を直して、もう一度実行する", "mend the line and try again")
_MEND_FILE = Both("ファイルを直して、もう一度実行する", "mend the file and try again")
_MEND_LINES = Both(
    "何もしていない。上の行を直して、もう一度実行する", "nothing was done; mend the lines above and try again"
)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice (PyYAML takes the last one in silence) and every alias."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases are not used in these files", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: Path, model: type[Model]) -> Model:
    """Read `path` as `model`.

    Raises:
        Missing: the file is not there.
        BadInput: it is not YAML, or does not fit the model; every fault is named with its line.
    """
    try:
        if path.stat().st_size > _LIMIT:
            size = _LIMIT // 1024 // 1024
            raise BadInput(
                Both(f"{path}: {size} MiBを超えている", f"{path}: larger than {size} MiB"), Both("分割する", "split it")
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Missing(
            Both(f"{path} がない", f"{path} is not there"),
            Both(
                "復元するか、自分のファイルがあるフォルダを SEKISHO_HOME で指定する",
                "restore it, or set SEKISHO_HOME to the folder that holds yours",
            ),
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            Both(f"{path}: 読めない ({error})", f"{path}: cannot be read ({error})"),
            Both("UTF-8で保存する", "save it as UTF-8"),
        ) from error
    try:
        node = yaml.compose(text, Loader=_Loader)
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = both(str(error.problem))
        raise BadInput(Both(f"{path}:{line}: {problem.ja}", f"{path}:{line}: {problem.en}"), _MEND) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput(Both(f"{path}: YAMLではない ({error})", f"{path}: not YAML ({error})"), _MEND_FILE) from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = [(f"{path}:{_line(node, one['loc'])}", faults.told(one)) for one in faults.distinct(error.errors())]
        raise BadInput(
            Both(
                "\n".join(f"{where}: {what.ja}" for where, what in found),
                "\n".join(f"{where}: {what.en}" for where, what in found),
            ),
            _MEND_LINES,
        ) from error


def _line(node: yaml.Node | None, steps: tuple[int | str, ...]) -> int:
    """The line of the node that `steps` leads to, or of the last one found on the way."""
    line = node.start_mark.line + 1 if node is not None else 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
