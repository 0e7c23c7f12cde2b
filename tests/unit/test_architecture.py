"""The map of docs/architecture.md holds: lower never imports higher, and no module grows beyond one idea."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "tools" / "sekisho"
# What each folder may import, beside itself and core.
MAY_IMPORT = {
    "core": set(),
    "lab": set(),
    "policy": set(),
    "fleet": {"policy"},
    "telemetry": {"policy"},
    "detection": {"policy", "telemetry"},
    "network": {"policy", "fleet"},
    "identity": {"policy", "fleet"},
    "evidence": {"policy", "fleet"},
    "migration": {"policy", "fleet", "network", "identity", "evidence"},
    "cli": {"policy", "fleet", "telemetry", "detection", "network", "identity", "evidence", "migration", "lab"},
}
# The rooms of detection/, from the lowest: each may import those before it.
DETECTION = ("rules", "release", "records", "matching", "scan", "alerts", "export")
LARGEST = 265  # lines


def imports(path: Path) -> Iterator[str]:
    """The folders of the package that a module imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("sekisho."))


def test_lower_never_imports_higher() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders == set(MAY_IMPORT), "a folder that the map does not know, or one that is gone"
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in PACKAGE.rglob("*.py")
        if (own := path.relative_to(PACKAGE).parts[0]) in MAY_IMPORT
        for other in imports(path)
        if other in MAY_IMPORT and other not in {own, "core"} | MAY_IMPORT[own]
    ]
    assert not wrong


def test_the_rooms_of_detection_have_an_order() -> None:
    folder = PACKAGE / "detection"
    assert {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(DETECTION)
    wrong = [
        f"{path.relative_to(folder)} imports detection/{other}"
        for number, room in enumerate(DETECTION)
        for path in (folder / room).glob("*.py")
        for name in re.findall(r"sekisho\.detection(?:\.(\w+)| import)", path.read_text(encoding="utf-8"))
        if (other := name) not in DETECTION[: number + 1]
    ]
    assert not wrong


def test_the_map_names_every_folder() -> None:
    text = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [name for name in MAY_IMPORT if f"{name}/" not in text] == []


def test_no_module_is_larger_than_one_idea() -> None:
    large = {
        str(path): lines for path in PACKAGE.rglob("*.py") if (lines := len(path.read_text().splitlines())) > LARGEST
    }
    assert not large
