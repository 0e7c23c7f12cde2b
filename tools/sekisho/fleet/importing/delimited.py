"""CSV (comma or tab) in UTF-8, with or without byte order mark, or CP932. Cells are data: nothing is calculated."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.core.phrases import both
from sekisho.fleet.importing.table import MAX_ROWS, Row

_AS_UTF8 = Both("「CSV UTF-8」で保存する", "save it as CSV UTF-8")


def rows(raw: bytes, name: str) -> Iterator[Row]:
    """The rows of the file `name` whose content is `raw`.

    Raises:
        BadInput: neither encoding fits, or the quoting is broken; with the line.
    """
    text = _text(raw, name)
    head = text[:4096].split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in head else ",", strict=True)
    line = 1
    try:
        for count, cells in enumerate(reader):
            if count >= MAX_ROWS:
                raise BadInput(
                    Both(f"{name}: {MAX_ROWS}行を超えている", f"{name}: more than {MAX_ROWS} rows"),
                    Both("ファイルを分割する", "split the file"),
                )
            yield Row(line, tuple(cells))
            line = reader.line_num + 1  # a quoted cell may hold line breaks: a row is named by its first line
    except csv.Error as error:
        raise BadInput(
            Both(
                f"{name}: {line}行目: CSVとして読めない ({both(str(error)).ja})",
                f"{name}: line {line}: not CSV ({error})",
            ),
            Both("引用符を確認し、CSVで保存し直す", "look at the quotation marks; save it anew as CSV"),
        ) from error


def _text(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(Both(f"{name} の文字コードがUTF-16", f"{name} is UTF-16"), _AS_UTF8)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as unicode:
        try:
            text = raw.decode("cp932")
        except UnicodeDecodeError as error:
            # The encoding that fits longest is the one that was meant.
            line = raw.count(b"\n", 0, max(unicode.start, error.start)) + 1
            raise BadInput(
                Both(
                    f"{name}: {line}行目: 文字コードがUTF-8でもCP932(Shift_JIS)でもない",
                    f"{name}: line {line}: neither UTF-8 nor CP932 (Shift_JIS)",
                ),
                _AS_UTF8,
            ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadInput(
            Both(
                f"{name}: {line}行目: NUL文字があり、文字だけのファイルではない",
                f"{name}: line {line}: holds a NUL character, so it is no text",
            ),
            _AS_UTF8,
        )
    return text
