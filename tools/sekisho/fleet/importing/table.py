"""What every file format becomes: numbered rows of cells, and the faults that are found in them."""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.core.language import Both, told

MAX_BYTES = 32 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 64
MAX_CELL = 1000  # characters


@dataclass(frozen=True)
class Row:
    """One row of the file. `line` counts from 1 as the person's own program shows it.

    `formulas` are the positions of cells that hold a formula of a workbook: what they would show is not known, since
    nothing is calculated here.
    """

    line: int
    cells: tuple[str, ...]
    formulas: frozenset[int] = frozenset()

    @property
    def blank(self) -> bool:
        """Nothing stands in it."""
        return not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True)
class Fault:
    """Why a row is not taken: the line, the column's heading as the file has it (or its place), and the reason."""

    line: int
    column: str | Both
    reason: Both

    @property
    def ja(self) -> str:
        """As officials read it."""
        return f"{self.line}行目、{told(self.column, 'ja')}: {self.reason.ja}"

    @property
    def en(self) -> str:
        """The same in English."""
        return f"line {self.line}, {told(self.column, 'en')}: {self.reason.en}"
