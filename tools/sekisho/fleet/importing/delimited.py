"""CSV (comma or tab) in UTF-8, with or without byte order mark, or CP932. Cells are data: nothing is calculated."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from sekisho.core.errors import BadInput
from sekisho.fleet.importing.table import MAX_ROWS, Row


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
                raise BadInput(f"{name}: more than {MAX_ROWS} rows", "split the file")
            yield Row(line, tuple(cells))
            line = reader.line_num + 1  # a quoted cell may hold line breaks: a row is named by its first line
    except csv.Error as error:
        raise BadInput(
            f"{name}: line {line}: not CSV ({error})", "look at the quotation marks; save it anew as CSV"
        ) from error


def _text(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"{name} is UTF-16", "save it as CSV UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as unicode:
        try:
            text = raw.decode("cp932")
        except UnicodeDecodeError as error:
            # The encoding that fits longest is the one that was meant.
            line = raw.count(b"\n", 0, max(unicode.start, error.start)) + 1
            raise BadInput(
                f"{name}: line {line}: neither UTF-8 nor CP932 (Shift_JIS)", "save it as CSV UTF-8"
            ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadInput(f"{name}: line {line}: holds a NUL character, so it is no text", "save it as CSV UTF-8")
    return text
