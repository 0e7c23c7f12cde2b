"""YAML read strictly: a mistake is answered with file, line and what was expected."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sekisho.core.errors import BadInput, Missing


class Strict(BaseModel):
    """The base of every model read from a file: unknown keys are refused, values are not changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


Model = TypeVar("Model", bound=BaseModel)
_LIMIT = 4 * 1024 * 1024


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
            raise BadInput(f"{path}: larger than {_LIMIT // 1024 // 1024} MiB", "split it")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Missing(
            f"{path} is not there", "restore it, or set SEKISHO_HOME to the folder that holds yours"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error})", "save it as UTF-8") from error
    try:
        node = yaml.compose(text, Loader=_Loader)
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"{path}:{line}: {error.problem}", "mend the line and try again") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInput(f"{path}: not YAML ({error})", "mend the file and try again") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [f"{path}:{_line(node, fault['loc'])}: {_told(dict(fault))}" for fault in error.errors()]
        raise BadInput("\n".join(faults), "nothing was done; mend the lines above and try again") from error


def _told(fault: dict[str, Any]) -> str:
    where = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    if fault["type"] == "missing":
        return f"{where}: is missing"
    return (
        f"{where}: {fault['msg'].removeprefix('Value error, ')}"
        if where
        else fault["msg"].removeprefix("Value error, ")
    )


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
