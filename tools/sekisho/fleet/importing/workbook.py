"""XLSX, read as hostile input: bounded in size, without entities, and no formula is calculated."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from sekisho.core.errors import BadInput
from sekisho.core.language import Both
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
        raise BadInput(
            Both(f"{name}: defusedxmlがないためXLSXを読まない", f"{name}: workbooks are not read without defusedxml"),
            Both("defusedxmlを導入するか、CSVで保存する", "install it, or save the file as CSV"),
        )
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
        try:
            if not book.worksheets:
                raise BadInput(
                    Both(f"{name} に表のシートがない", f"{name} has no sheet with cells"),
                    Both("台帳のシートを別のファイルに保存する", "save the ledger's sheet as its own file"),
                )
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what the file claims about its own size is not believed
            for line, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), start=1):
                if line > MAX_ROWS:
                    raise BadInput(
                        Both(f"{name}: {MAX_ROWS}行を超えている", f"{name}: more than {MAX_ROWS} rows"),
                        Both("空の行を削除するか、ファイルを分割する", "delete the empty rows, or split the file"),
                    )
                formulas = frozenset(at for at, cell in enumerate(cells) if cell.data_type == "f")
                yield Row(line, tuple(_text(cell.value) for cell in cells), formulas)
        finally:
            book.close()
    except BadInput:
        raise
    except Exception as error:  # openpyxl answers hostile files with whatever it trips over
        said = f"{type(error).__name__}: {str(error)[:120]}"
        raise BadInput(
            Both(f"{name}: XLSXとして読めない ({said})", f"{name}: cannot be read as a workbook ({said})"),
            Both(
                "表計算ソフトで開き、.xlsx かCSVで保存し直す",
                "open it in the office program and save it anew as .xlsx or CSV",
            ),
        ) from error


def _bounded(raw: bytes, name: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            # zipfile never unpacks more of a member than its directory declares, so the declared sum is a true bound.
            if len(members) > _MEMBERS or sum(member.file_size for member in members) > _UNPACKED:
                raise BadInput(
                    Both(
                        f"{name}: 展開すると{_UNPACKED // 1024 // 1024} MiBまたは{_MEMBERS}個を超える",
                        f"{name}: would unpack to more than {_UNPACKED // 1024 // 1024} MiB or {_MEMBERS} parts",
                    ),
                    Both(
                        "端末台帳とは考えにくい。台帳のシートだけをCSVで保存する",
                        "this is no terminal ledger; save the ledger's sheet alone as CSV",
                    ),
                )
            if any(member.flag_bits & 1 for member in members):
                raise BadInput(
                    Both(f"{name} は暗号化されている", f"{name} is encrypted"),
                    Both("パスワードなしで保存する", "save it without a password"),
                )
            if not any(member.filename == "[Content_Types].xml" for member in members):
                raise BadInput(
                    Both(f"{name} はZIPだが、XLSXではない", f"{name} is a zip archive, but no workbook"),
                    Both(".xlsx かCSVのファイルを指定する", "give an .xlsx or CSV file"),
                )
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise BadInput(
            Both(f"{name}: 壊れたXLSX ({error})", f"{name}: a damaged workbook ({error})"),
            Both(".xlsx かCSVで保存し直す", "save it anew as .xlsx or CSV"),
        ) from error


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a cell can hold
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # a number such as 1234 that the sheet stores as 1234.0
    return str(value)
