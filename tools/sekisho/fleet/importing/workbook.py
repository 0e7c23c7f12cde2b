"""XLSX, read as hostile input: bounded in size, without entities, and no formula is calculated."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from sekisho.core.errors import BadInput
from sekisho.fleet.importing.table import MAX_COLUMNS, MAX_ROWS, Row

_UNPACKED = 192 * 1024 * 1024
_MEMBERS = 1000


def rows(raw: bytes, name: str) -> Iterator[Row]:
    """The rows of the first sheet of the workbook `name` whose content is `raw`.

    Raises:
        BadInput: it is no workbook, is encrypted, or would unpack to more than it should.
    """
    _bounded(raw, name)
    import openpyxl  # noqa: PLC0415 - slow to load, and most commands never need it

    if not openpyxl.DEFUSEDXML:
        raise BadInput(f"{name}: workbooks are not read without defusedxml", "install it, or save the file as CSV")
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
        try:
            if not book.worksheets:
                raise BadInput(f"{name} has no sheet with cells", "save the ledger's sheet as its own file")
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file claims about its own size is not believed
            for line, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), start=1):
                if line > MAX_ROWS:
                    raise BadInput(f"{name}: more than {MAX_ROWS} rows", "delete the empty rows, or split the file")
                formulas = frozenset(at for at, cell in enumerate(cells) if cell.data_type == "f")
                yield Row(line, tuple(_text(cell.value) for cell in cells), formulas)
        finally:
            book.close()
    except BadInput:
        raise
    except Exception as error:  # openpyxl answers hostile files with whatever it trips over
        raise BadInput(
            f"{name}: cannot be read as a workbook ({type(error).__name__}: {str(error)[:120]})",
            "open it in the office program and save it anew as .xlsx or CSV",
        ) from error


def _bounded(raw: bytes, name: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            # zipfile never unpacks more of a member than its directory declares, so the declared sum is a true bound.
            if len(members) > _MEMBERS or sum(member.file_size for member in members) > _UNPACKED:
                raise BadInput(
                    f"{name}: would unpack to more than {_UNPACKED // 1024 // 1024} MiB or {_MEMBERS} parts",
                    "this is no terminal ledger; save the ledger's sheet alone as CSV",
                )
            if any(member.flag_bits & 1 for member in members):
                raise BadInput(f"{name} is encrypted", "save it without a password")
            if not any(member.filename == "[Content_Types].xml" for member in members):
                raise BadInput(f"{name} is a zip archive, but no workbook", "give an .xlsx or CSV file")
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise BadInput(f"{name}: a damaged workbook ({error})", "save it anew as .xlsx or CSV") from error


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a cell can hold
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # a number such as 1234 that the sheet stores as 1234.0
    return str(value)
