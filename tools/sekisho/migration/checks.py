"""The catalogue of checks: every testinfra test under `audit/checks/` that carries `@check(...)`.

It is read from the source without running it, so that a misspelt name in `policies/gates.yml` is refused at load.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Literal

from sekisho.core import folders
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.policy.gates import GateName, Gates

Asks = Literal["terminal", "infrastructure"]


@dataclass(frozen=True)
class Check:
    """One fact that a gate asks for: the test, the controls that it supports, and whom it asks."""

    id: str
    ja: str
    en: str
    controls: tuple[str, ...]
    asks: Asks
    remedy: Both
    file: str
    function: str

    @property
    def node(self) -> str:
        """Pytest's name of the test, relative to `audit/checks/`."""
        return f"{self.file}::{self.function}"


def catalogue() -> dict[str, Check]:
    """All checks by id.

    Raises:
        BadInput: a check is declared in a way that cannot be read, or an id stands twice.
    """
    found: dict[str, Check] = {}
    for path in sorted((folders.data("audit") / "checks").glob("test_*.py")):
        for item in ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body:
            if not isinstance(item, ast.FunctionDef):
                continue
            for mark in item.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "check":
                    one = _read(mark, path.name, item.name, f"{path}:{mark.lineno}")
                    if one.id in found:
                        raise BadInput(
                            Both(
                                f"{path}:{mark.lineno}: 検査 {one.id} が二度ある",
                                f"{path}:{mark.lineno}: the check {one.id} is there twice",
                            )
                        )
                    found[one.id] = one
    return found


def of_gate(gates: Gates, name: GateName) -> list[Check]:
    """The checks of a gate, in the policy's order.

    Raises:
        BadInput: the policy names a check that does not exist, or the gate has none.
    """
    known = catalogue()
    unknown = [check for gate in gates.gates.values() for check in gate.checks if check not in known]
    if unknown:
        raise BadInput(
            Both(
                f"policies/gates.yml: {unknown[0]!r} という検査はない",
                f"policies/gates.yml: unknown check {unknown[0]!r}",
            ),
            Both(f"次のいずれかを書く: {', '.join(sorted(known))}", f"expected one of: {', '.join(sorted(known))}"),
        )
    if name not in gates.gates or not gates.gates[name].checks:
        raise BadInput(
            Both(
                f"policies/gates.yml: ゲート {name} に検査がない", f"policies/gates.yml: the {name} gate has no checks"
            ),
            Both("何も確かめないゲートは何でも通す", "a gate that asks nothing lets everything pass"),
        )
    return [known[check] for check in gates.gates[name].checks]


def _read(mark: ast.Call, file: str, function: str, where: str) -> Check:
    try:
        values: dict[str, Any] = {word.arg or "": ast.literal_eval(word.value) for word in mark.keywords}
        return Check(
            id=str(ast.literal_eval(mark.args[0])),
            ja=values["ja"],
            en=values["en"],
            controls=tuple(values["controls"]),
            asks=values["asks"],
            remedy=Both(values["remedy_ja"], values["remedy"]),
            file=file,
            function=function,
        )
    except (KeyError, IndexError, ValueError) as error:
        raise BadInput(
            Both(f"{where}: この検査を読めない ({error})", f"{where}: this check cannot be read ({error})"),
            Both(
                "id, ja, en, controls, asks, remedy, remedy_ja を定数で書く",
                "give id, ja, en, controls, asks, remedy and remedy_ja as literals",
            ),
        ) from error
