"""A terminal ledger as an office exports it: every format, every fault, and all or nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.core import folders, mac
from sekisho.core.errors import BadInput, Missing
from sekisho.core.reason import typed
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet import departments
from sekisho.fleet.importing import load
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.policy import tiers

JAPANESE = ["資産番号", "端末名", "MACアドレス", "種別", "系統", "課", "利用者/管理者"]
ENGLISH = ["Asset number", "Hostname", "MAC address", "Kind", "Tier", "Department", "Owner"]
ROWS = [
    ["ＰＣ－０００１", "", "０２－５Ｅ－００－００－００－０１", "職員端末", "LGWAN接続系", "税務課", "税務課 課税係"],
    ["pc-0002", "zeimu-2", "025e.0000.0002", "職員端末", "ＬＧＷＡＮ接続系", "税務課", "=cmd|'/c calc'!A0"],
    ["PR-0001", "", "025E00000021", "プリンタ", "802.1X非対応機器", "福祉課", "福祉課 庶務係"],
    ["MN-0001", "", "02:5e:00:00:00:31", "番号利用端末", "マイナンバー利用事務系", "税務課", "税務課 課税係"],
]
MAIN = "from sekisho.cli.app import main; main()"
GOOD = dict(zip(["asset", "name", "mac", "kind", "tier", "department", "owner"], ROWS[0], strict=True))


def _csv(rows: list[list[str]], headings: list[str] = JAPANESE) -> str:
    return "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in [headings, *rows])


def _xlsx(rows: list[list[Any]], headings: list[str] = JAPANESE) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line, row in enumerate([headings, *rows], start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(line, column, value)
            if isinstance(value, str):
                cell.data_type = "s"  # text that looks like a formula, as an office program stores it
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _read(tmp_path: Path, content: bytes | str, name: str = "ledger.csv") -> load.Source:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load.read(path, departments=departments.read(), tiers=tiers.read(), taken={"core", "radius"})


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state", create=True)


def _import(state: State, source: load.Source, *, skip_bad: bool = False) -> load.Outcome:
    return load.load(state, source, record=Chain(state).append, who="joho", skip_bad=skip_bad)


def test_every_format_gives_the_same_facts(tmp_path: Path) -> None:
    text = _csv(ROWS)
    contents = [
        text.encode(),
        text.encode("utf-8-sig"),
        text.replace("−", "－").encode("cp932"),
        _csv(ROWS, ENGLISH).encode(),
        text.replace('","', '"\t"').encode(),
        ("台帳 令和8年\r\n\r\n" + text).encode(),
        _xlsx(ROWS),
        _xlsx(ROWS, ENGLISH),
    ]
    read = [_read(tmp_path, content) for content in contents]
    assert not any(source.faults for source in read)
    first = [{**vars(one), "line": 0} for one in read[0].facts]
    assert [one["asset"] for one in first] == ["PC-0001", "PC-0002", "PR-0001", "MN-0001"]
    assert [one["mac"] for one in first][:2] == ["02:5e:00:00:00:01", "02:5e:00:00:00:02"]
    assert first[0]["name"] == "pc-0001"
    assert first[1]["owner"] == "=cmd|'/c calc'!A0"
    for source in read[1:]:
        assert [{**vars(one), "line": 0} for one in source.facts] == first


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("asset", "", "is missing"),
        ("asset", "PC 0001", "no asset number"),
        ("asset", "-PC", "no asset number"),
        ("asset", "radius", "name of a server"),
        ("name", "pc_1", "no host name"),
        ("name", "core", "name of a server"),
        ("mac", "", "is missing"),
        ("mac", "02:5e:00:00:00", "no MAC address"),
        ("mac", "02:5e:00:00:00:0g", "no MAC address"),
        ("mac", "02:5e-00:00:00:01", "no MAC address"),
        ("mac", "01:00:5e:00:00:01", "group address"),
        ("mac", "00:00:00:00:00:00", "all zeros"),
        ("kind", "", "is missing"),
        ("kind", "サーバ", "no known kind"),
        ("tier", "", "is missing"),
        ("tier", "無線", "no known tier"),
        ("tier", "マイナンバー利用事務系", "cannot be in the tier"),
        ("tier", "隔離", "cannot be in the tier"),
        ("department", "", "is missing"),
        ("department", "宇宙課", "no known department"),
        ("owner", "", "is missing"),
        ("owner", "a\u202eb", "control characters"),
        ("owner", "x" * 1001, "longer than"),
    ],
)
def test_a_bad_cell_is_named_with_line_column_and_reason(tmp_path: Path, column: str, value: str, told: str) -> None:
    bad = list({**GOOD, column: value}.values())
    source = _read(tmp_path, _csv([ROWS[1], bad, ROWS[2]]))
    assert [(fault.line, fault.column) for fault in source.faults] == [(3, JAPANESE[list(GOOD).index(column)])]
    assert told in source.faults[0].reason.en
    assert [one.asset for one in source.facts] == ["PC-0002", "PR-0001"]


@pytest.mark.parametrize("column", ["asset", "name", "mac"])
def test_both_rows_of_a_repetition_are_bad(tmp_path: Path, column: str) -> None:
    one = {**GOOD, "asset": "A1", "name": "a1", "mac": "025e00000041"}
    other = {**GOOD, "asset": "A2", "name": "a2", "mac": "025e00000042", column: one[column]}
    source = _read(tmp_path, _csv([list(one.values()), ROWS[2], list(other.values())]))
    assert [fault.line for fault in source.faults] == [2, 4]
    assert "stands also in line 4" in source.faults[0].reason.en
    assert [one.asset for one in source.facts] == ["PR-0001"]


def test_a_row_with_more_cells_than_headings_is_bad(tmp_path: Path) -> None:
    source = _read(tmp_path, _csv([[*ROWS[0], "left over"]]))
    assert "more cells than headings" in source.faults[0].reason.en


def test_a_line_break_in_a_cell_does_not_shift_the_lines(tmp_path: Path) -> None:
    rows = [[*ROWS[1][:-1], "税務課\n課税係"], ["!", *ROWS[0][1:]]]
    source = _read(tmp_path, _csv(rows))
    assert [(fault.line, fault.column) for fault in source.faults] == [(2, JAPANESE[-1]), (4, JAPANESE[0])]


def test_a_formula_of_a_workbook_is_not_calculated(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(_xlsx(ROWS)))
    sheet = book.active
    assert sheet is not None
    sheet["G2"] = '=HYPERLINK("http://example.invalid","x")'
    stream = io.BytesIO()
    book.save(stream)
    source = _read(tmp_path, stream.getvalue())
    assert [(fault.line, fault.column) for fault in source.faults] == [(2, JAPANESE[-1])]
    assert "formula" in source.faults[0].reason.en


def _zip(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def _bomb() -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings.xml", "w") as out,
    ):
        for _ in range(200):
            out.write(b" " * 1024 * 1024)
    return stream.getvalue()


def _entities() -> bytes:
    source, stream = zipfile.ZipFile(io.BytesIO(_xlsx(ROWS))), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member in source.infolist():
            content = source.read(member)
            if member.filename.startswith("xl/worksheets/"):
                content = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + content.split(b"?>", 1)[-1]
            archive.writestr(member, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\r\n\r\n", "is empty"),
        (b"a,b\r\n1,2\r\n", "no column"),
        (_csv(ROWS).replace("利用者/管理者", "備考").encode(), "利用者 (owner)"),
        (_csv(ROWS, [*JAPANESE[:-2], "所属", "課"]).encode(), "mean the column department"),
        (b"\xff\xfe\x00", "UTF-16"),
        (_csv(ROWS).encode() + b"\x81\x00\xff\xfd", "line 6: neither UTF-8 nor CP932"),
        (_csv(ROWS).encode() + b"\0", "NUL"),
        (_csv(ROWS).encode() + b'"open', "not CSV"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 64, "old or encrypted"),
        (b"PK\x03\x04 broken", "damaged"),
        (_zip(a=b"x"), "no workbook"),
        (_zip(**{"[Content_Types].xml": b"<x/>"}), "cannot be read as a workbook"),
        (_bomb(), "would unpack to more"),
        (_entities(), "cannot be read as a workbook"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_in_words(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        _read(tmp_path, content)
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        load.read(tmp_path / "none.csv", departments=departments.read(), tiers=tiers.read(), taken=set())


def test_nothing_is_imported_unless_every_row_is_good(tmp_path: Path, state: State) -> None:
    source = _read(tmp_path, _csv([*ROWS, ["", *ROWS[0][1:]]]))
    done = _import(state, source)
    assert done.faults
    assert Ledger(state).terminals() == []
    assert Chain(state).head()[0] == 0
    done = _import(state, _read(tmp_path, _csv([ROWS[1], ["", *ROWS[0][1:]]])), skip_bad=True)
    assert done.added == ["PC-0002"]
    with pytest.raises(BadInput, match="no good row"):
        _import(state, _read(tmp_path, _csv([["", *ROWS[0][1:]]])), skip_bad=True)


def test_an_import_is_one_record_and_a_history(tmp_path: Path, state: State) -> None:
    done = _import(state, _read(tmp_path, _csv(ROWS)))
    ledger = Ledger(state)
    assert [record.kind for record in Chain(state).records()] == ["fleet.imported"]
    assert {one.asset: one.standing for one in ledger.terminals()} == {
        "PC-0001": Standing.UNPLANNED,
        "PC-0002": Standing.UNPLANNED,
        "PR-0001": Standing.FIXED,
        "MN-0001": Standing.FIXED,
    }
    assert sorted(one.number for one in ledger.terminals()) == [1, 2, 3, 4]
    (step,) = ledger.history("PC-0001")
    assert (step.who, step.was, step.became, step.record) == ("joho", None, Standing.UNPLANNED, done.record)


def test_a_second_import_changes_facts_but_no_place(tmp_path: Path, state: State) -> None:
    _import(state, _read(tmp_path, _csv(ROWS)))
    before = {one.asset: one for one in Ledger(state).terminals()}
    again = _import(state, _read(tmp_path, _csv(ROWS)))
    assert (again.unchanged, again.record) == (4, None)
    rows = [
        [*ROWS[0][:4], "インターネット接続系", "福祉課", "福祉課 給付係"],
        ["PC-0009", "", "025e00000009", *ROWS[0][3:]],
    ]
    done = _import(state, _read(tmp_path, _csv(rows)))
    assert done.added == ["PC-0009"]
    assert done.changed == {"PC-0001": "department changed, owner changed"}
    assert done.elsewhere == ["PC-0001"]
    assert done.vanished == ["MN-0001", "PC-0002", "PR-0001"]
    after = {one.asset: one for one in Ledger(state).terminals()}
    one = after["PC-0001"]
    assert (one.tier, one.home, one.number, one.standing) == ("lgwan", "lgwan", 1, Standing.UNPLANNED)
    assert (one.department, one.owner) == ("fukushi", "福祉課 給付係")
    assert after["PC-0009"].number == 5
    assert after["PC-0002"] == before["PC-0002"]
    assert len(Ledger(state).history("PC-0001")) == 2


def test_the_hardware_changes_only_while_unplanned(tmp_path: Path, state: State) -> None:
    _import(state, _read(tmp_path, _csv(ROWS)))
    changed = [ROWS[0][0], "", "025e000000aa", *ROWS[0][3:]]
    assert _import(state, _read(tmp_path, _csv([changed]))).changed == {"PC-0001": "mac changed"}
    with state.transaction() as tx:
        seq = Chain(state).append(tx, "wave.planned", {"type": "wave", "name": "w"}, {})
        Ledger(state).move(tx, "PC-0001", Standing.PLANNED, who="t", why=typed("t"), record=seq, wave="w")
    done = _import(state, _read(tmp_path, _csv([ROWS[0]])))
    assert "only while the terminal is unplanned" in done.faults[0].reason.en
    fixed = [*ROWS[2][:2], "025e000000ab", *ROWS[2][3:]]
    assert "it is fixed" in _import(state, _read(tmp_path, _csv([fixed]))).faults[0].reason.en
    kind = [*ROWS[1][:3], "その他", *ROWS[1][4:]]
    assert "new asset number" in _import(state, _read(tmp_path, _csv([kind]))).faults[0].reason.en
    taken = ["PC-0100", "", "025e00000021", *ROWS[0][3:]]
    assert "belongs to PR-0001" in _import(state, _read(tmp_path, _csv([taken]))).faults[0].reason.en


@settings(max_examples=300)
@given(st.binary(min_size=6, max_size=6), st.sampled_from([":", "-", ".", ""]), st.booleans(), st.booleans())
def test_a_mac_in_any_notation_means_the_same(raw: bytes, mark: str, upper: bool, wide: bool) -> None:
    raw = bytes([raw[0] & 0xFE | 2]) + raw[1:]
    digits = raw.hex()
    step = 4 if mark == "." else 2
    text = mark.join(digits[at : at + step] for at in range(0, 12, step))
    text = text.upper() if upper else text
    if wide:
        text = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
        assert unicodedata.normalize("NFKC", text) != text
    assert mac.normal(text) == raw.hex(":")


@settings(max_examples=200)
@given(st.lists(st.lists(st.text(max_size=20), max_size=9), max_size=8))
def test_no_row_brings_the_reader_down(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    text = _csv(rows)
    if "\0" in text or any(0xD800 <= ord(mark) < 0xE000 for mark in text):
        return
    source = _read(folder, text)
    for one in source.facts:
        assert one.asset.isascii()
        assert one.owner
        assert one.mac == mac.normal(one.mac)
    assert all(fault.column and fault.reason and fault.line > 1 for fault in source.faults)


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_no_bytes_bring_the_reader_down(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    with pytest.raises(BadInput):
        _read(tmp_path_factory.mktemp("bytes"), raw)


def test_the_command_refuses_with_code_2_and_names_every_row(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(_csv([ROWS[0], ["", *ROWS[1][1:]], [*ROWS[2][:5], "宇宙課", ""]]), encoding="cp932")
    words = [sys.executable, "-c", MAIN, "fleet", "import", str(file), "--state", str(tmp_path / "s"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    answer = json.loads(done.stdout)
    assert answer["imported"] is False
    assert [(fault["line"], fault["column"]) for fault in answer["faults"]] == [
        (3, "資産番号"),
        (4, "課"),
        (4, "利用者/管理者"),
    ]
    assert "何も取り込んでいない" in done.stderr
    assert "Traceback" not in done.stderr


def test_six_thousand_rows_take_seconds(state: State) -> None:
    file = folders.inventory() / "ledger-6000.csv"
    began = time.monotonic()
    source = load.read(file, departments=departments.read(), tiers=tiers.read(), taken=set())
    done = _import(state, source)
    assert time.monotonic() - began < 10
    assert (len(done.added), done.faults) == (6000, [])


def test_the_large_example_is_what_its_generator_writes() -> None:
    import make_ledger

    assert (folders.inventory() / "ledger-6000.csv").read_text(encoding="utf-8").splitlines() == make_ledger.lines()
