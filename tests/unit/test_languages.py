"""Japanese first where officials read, English on request: no message is in one language only."""

from __future__ import annotations

import ast
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import Field, ValidationError

from sekisho.cli import app as front
from sekisho.core import errors, faults, folders
from sekisho.core.errors import BadInput, BadValue, SekishoError
from sekisho.core.yamlfile import Strict, load
from sekisho.policy import controls, detection, devices, gates, tiers, waves

PACKAGE = Path(errors.__file__).resolve().parents[1]
ENGINEERS = {"lab"}  # folders and modules whose messages engineers read, in English
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
OURS = {one.__name__ for one in (SekishoError, *SekishoError.__subclasses__())}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """The modules that officials, analysts and auditors hear of."""
    for path in PACKAGE.rglob("*.py"):
        if not ENGINEERS & {*path.relative_to(PACKAGE).parts, path.stem}:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def one_language(node: ast.AST, constants: dict[str, ast.expr]) -> bool:
    """Whether an expression is a text that is the same in both languages; a name is looked up among `constants`."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        return isinstance(node, ast.JoinedStr) or (isinstance(node.value, str) and node.value != "")
    if isinstance(node, ast.Name):
        return node.id in constants and one_language(constants[node.id], {})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id == "str"  # `Both`, or a function of ours that answers with one
    if isinstance(node, ast.Attribute) and node.attr in {"ja", "en", "strerror"}:
        return True
    parts = [node.func] if isinstance(node, ast.Call) else ast.iter_child_nodes(node)  # "; ".join(…); a + b
    return any(one_language(part, constants) for part in parts)


def told_in_one_language(tree: ast.Module) -> Iterator[int]:
    """The lines on which an error of ours is made with a message, hint or reason in one language only."""
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in OURS:
            given = [*node.args, *(word.value for word in node.keywords if word.arg in {"what", "hint"})]
            if any(one_language(value, constants) for value in given):
                yield node.lineno


def test_every_error_has_both_languages() -> None:
    assert len(OURS) == 4
    found = [f"{path.relative_to(PACKAGE)}:{line}" for path, tree in sources() for line in told_in_one_language(tree)]
    assert found == []


@pytest.mark.parametrize(
    "call",
    [
        'BadInput("no")',
        'Refused(f"{x} no", _HINT)',
        'Missing(Both("否", "no"), "mend it")',
        'errors.Refused(what=Both("否", "no"), hint="mend" + it)',
        'SekishoError("; ".join(found))',
        "BadInput(str(error))",
        "BadInput(answer.why.en)",
        "Refused(_WHY)",
        'Refused(Both("否", "no"), "mend" if x else Both("直す", "mend"))',
    ],
)
def test_a_message_in_one_language_is_found(call: str) -> None:
    assert list(told_in_one_language(ast.parse(f'_WHY = "because"\n_HINT = Both("直す", "mend")\n{call}'))) == [3]


def test_what_validators_say_has_both_languages() -> None:
    """A plain ValueError would reach officials in English, from a policy as from a row of the ledger."""
    read = {"policy", "importing", "hosts", "departments", "mac"}
    found = [
        f"{path.name}:{node.lineno}"
        for path, tree in sources()
        if read & {path.parent.name, path.stem}
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        if getattr(node.exc.func, "id", "") in {"ValueError", "AssertionError", "TypeError"}
    ]
    assert found == []


def test_every_command_that_officials_give_takes_lang() -> None:
    front._register(None)

    def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "commands"):
            yield name, command
        for word, one in getattr(command, "commands", {}).items():
            yield from leaves(one, f"{name} {word}".strip())

    commands = dict(leaves(typer.main.get_command(front.app), ""))
    assert {"plan", "fleet import", "pack verify", "auditor list", "network apply", "identity compare"} <= set(commands)
    without = [name for name, one in commands.items() if "--lang" not in {opt for p in one.params for opt in p.opts}]
    assert [name for name in without if name.split()[0] not in ENGINEERS] == []


Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """The front door; the exit code and all that it says."""

    def go(*words: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["sekisho", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            front.main()
        return int(stop.value.code or 0), "".join(capsys.readouterr())

    return go


HEADINGS = "資産番号,端末名,MACアドレス,種別,系統,課,利用者\n"
BAD = "PC 1,core,zz,サーバ,無線,宇宙課,\nMN-1,,025e00000001,番号利用端末,LGWAN接続系,税務課,係,余り\n"


def test_the_faults_of_a_ledger_in_japanese(say: Say, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(HEADINGS + BAD, encoding="utf-8")
    code, told = say("fleet", "import", tmp_path / "bad.csv", "--state", tmp_path / "s")
    assert code == 2
    for line in (
        "2行目、資産番号: 'PC 1' は資産番号にできない",
        "2行目、端末名: 'core' はサーバまたはグループの名前",
        "2行目、MACアドレス: 'zz' はMACアドレスではない",
        "2行目、種別: 'サーバ' という種別はない",
        "2行目、系統: '無線' という系統はない",
        "2行目、課: '宇宙課' という所属はない",
        "2行目、利用者: 値がない",
        "3行目、8列目: 見出しよりセルが多い",
        "3行目、系統: 番号利用端末は「LGWAN接続系」に置けない",
        "2行に誤りがあり、何も取り込んでいない",
    ):
        assert line in told
    assert not re.search(r"\b(line|is|no|expected|rows)\b", told)


def test_the_faults_of_a_ledger_in_english(say: Say, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(HEADINGS + BAD, encoding="utf-8")
    code, told = say("fleet", "import", tmp_path / "bad.csv", "--state", tmp_path / "s", "--lang", "en")
    assert code == 2
    assert "line 2, MACアドレス: 'zz' is no MAC address; expected 12 hexadecimal digits" in told
    assert "line 3, column 8: more cells than headings" in told
    assert "2 bad rows; nothing was imported" in told
    assert "行目" not in told


def test_what_an_import_did_in_both_languages(say: Say, tmp_path: Path) -> None:
    ledger = folders.data("inventory") / "example" / "ledger.csv"
    assert "追加 14台、変更 0台、変更なし 0台" in say("fleet", "import", ledger, "--state", tmp_path / "ja")[1]
    code, told = say("fleet", "import", ledger, "--state", tmp_path / "en", "--lang=en")
    assert (code, told.strip()) == (0, "14 added, 0 changed, 0 as they were")
    few = "".join(ledger.read_text(encoding="utf-8").splitlines(keepends=True)[:-1])
    (tmp_path / "few.csv").write_text(few, encoding="utf-8")
    assert (
        "ファイルにないが台帳に残した: " in say("fleet", "import", tmp_path / "few.csv", "--state", tmp_path / "ja")[1]
    )


@pytest.mark.parametrize(
    ("content", "ja"),
    [
        (b"", "は空"),
        (b"a,b\n1,2\n", "見出しに 資産番号 (asset)"),
        (b"\xff\xfe\x00", "文字コードがUTF-16"),
        (HEADINGS.encode() + b"\x81\x00\xff\xfd", "2行目: 文字コードがUTF-8でもCP932(Shift_JIS)でもない"),
        (HEADINGS.encode() + b'"open', "2行目: CSVとして読めない (引用符が閉じていない)"),
        (b"\xd0\xcf\x11\xe0", "旧形式(.xls)か、暗号化されたXLSX"),
        (b"PK\x03\x04 broken", "壊れたXLSX"),
    ],
)
def test_a_file_that_is_no_ledger_in_japanese(say: Say, tmp_path: Path, content: bytes, ja: str) -> None:
    (tmp_path / "it.csv").write_bytes(content)
    code, told = say("fleet", "import", tmp_path / "it.csv", "--state", tmp_path / "s")
    assert (code, ja in told) == (2, True), told


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Policies of our own, for a test to spoil."""
    shutil.copytree(folders.data("policies"), tmp_path / "home" / "policies")
    monkeypatch.setenv("SEKISHO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "policies"


READERS: dict[str, Callable[[], object]] = {
    "controls.yml": controls.read,
    "detection.yml": detection.read,
    "devices.yml": devices.read,
    "gates.yml": gates.read,
    "tiers.yml": tiers.read,
    "waves.yml": waves.read,
}


@pytest.mark.parametrize(
    ("file", "old", "new", "ja"),
    [
        ("waves.yml", "batch: 6", "batsh: 6", ["batch: 必要な項目がない", "batsh: 知らない項目"]),
        ("waves.yml", "batch: 6", "batch: six", ["batch: 整数でなければならない"]),
        ("waves.yml", "batch: 6", "batch: 0", ["batch: 1以上でなければならない"]),
        ("waves.yml", "batch: 6", "batch: 501", ["batch: 500以下でなければならない"]),
        ("waves.yml", "batch: 6", "batch: {", ["「,」か"]),
        ("waves.yml", "waves: 1, ", "", ["`waves` を省けるのは最後の段階だけ"]),
        ("tiers.yml", "version: 1", "version: 2", ["version: 次のいずれかでなければならない: 1"]),
        ("tiers.yml", "tcp/443", "tcp/https", ["tcp/番号 か udp/番号 でなければならない(現在は 'tcp/https')"]),
        ("tiers.yml", "vlan: 20", "vlan: 10", ["lgwan と internet のVLAN 10 が同じ"]),
        ("tiers.yml", "10.20.0.0/18", "10.20.0.1/18", ["IPv4ネットワークでなければならない"]),
        (
            "tiers.yml",
            "via: blackhole",
            "via: nowhere",
            ["IPv4アドレスか blackhole でなければならない(現在は 'nowhere')"],
        ),
        ("devices.yml", "02:5e", "01:5e", ["1枚のネットワークカードのMACアドレスではない"]),
        ("devices.yml", "2030-03-31", "some-day", ["日付でなければならない"]),
        (
            "controls.yml",
            "    basis: primary\n",
            "    basis: hearsay\n",
            ["次のいずれかでなければならない: 'primary', 'secondary', 'recalled'"],
        ),
        ("gates.yml", "version: 1", "version: 1\nversion: 1", ["項目 'version' が二度ある"]),
        ("detection.yml", "lateness: 15m", "lateness: 15", ["'15' は期間ではない(例: 30s, 15m, 24h, 30d)"]),
        ("detection.yml", "lateness: 15m", "lateness: 9999d", ["'9999d' は10年を超えている"]),
        ("detection.yml", "blind_after: 30d", "blind_after: 0h", ["blind_after は0より長くなければならない"]),
        ("detection.yml", "[high, critical]", "[high, severe]", ["次のいずれかでなければならない: 'informational'"]),
        ("detection.yml", "ours: {}", "ours: {level: [high]}", ["rules.ours.level: 知らない項目"]),
        ("detection.yml", "ours: {}", "ours: {logsources: [{}]}", ["product, service のどれかが必要"]),
        ("detection.yml", "include: []", "include: [{id: x}]", ["rules.include.0.why: 必要な項目がない"]),
        (
            "detection.yml",
            "include: []",
            "include: [{id: x, why: a}, {id: x, why: b}]",
            ["rules.include: 二度書かれている: x"],
        ),
        (
            "detection.yml",
            "include: []\n  exclude: []",
            "include: [{id: x, why: a}]\n  exclude: [{id: x, why: b}]",
            ["include と exclude の両方にある: x"],
        ),
    ],
)
def test_a_fault_of_a_policy_is_a_line_in_japanese(home: Path, file: str, old: str, new: str, ja: list[str]) -> None:
    text = (home / file).read_text(encoding="utf-8")
    assert old in text
    (home / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        READERS[file]()
    lines = [line for line in caught.value.told("ja").splitlines() if not line.startswith("  → ")]
    assert len(lines) == len(ja)
    for line, told in zip(lines, ja, strict=True):
        assert re.match(rf"{re.escape(str(home / file))}:\d+: ", line)
        assert told in line
    assert len(caught.value.what.splitlines()) == len(ja)
    assert not JAPANESE.search(caught.value.what)


def test_a_policy_in_the_language_that_was_asked_for(say: Say, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (home / "tiers.yml").read_text(encoding="utf-8")
    (home / "tiers.yml").write_text(text.replace("vlan: 20", "vlan: many", 1), encoding="utf-8")
    assert "整数でなければならない" in say("network", "compile")[1]
    assert "should be a valid integer" in say("network", "compile", "--lang", "en")[1]
    monkeypatch.setenv("SEKISHO_LANG", "en")
    assert "should be a valid integer" in say("network", "compile")[1]
    assert "整数でなければならない" in say("network", "compile", "--lang", "ja")[1]


def test_wrong_words_are_told_in_the_language_that_they_ask_for(say: Say) -> None:
    assert "'migrat' という命令はない" in say("migrat")[1]
    assert "'--wave' の指定がない" in say("migrate")[1]
    code, told = say("fleet", "list", "--nmae", "x", "--lang", "en")
    assert (code, "No such option: --nmae" in told, JAPANESE.search(told)) == (2, True, None)


class Part(Strict):
    """A model of every kind of value that the policies have."""

    text: str = Field(default="x", min_length=1)
    code: str = Field(default="a", pattern="^[a-z]$")
    whole: int = Field(default=1, gt=0, lt=9)
    share: float = 0.5
    many: tuple[int, ...] = Field(default=(1,), min_length=1)
    named: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize(
    "given",
    [
        "text: 1", "text: ''", "code: A", "whole: 1.5", "whole: []", "whole: 0", "whole: 9", "share: x", "share: []",
        "many: 1", "many: []", "many: [x]", "many: [x, y]", "named: 1", "named: {a: b}", "other: 1", "- 1", "",
    ],
)  # fmt: skip
def test_every_kind_of_fault_has_its_japanese(tmp_path: Path, given: str) -> None:
    (tmp_path / "part.yml").write_text(given, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "part.yml", Part)
    told = caught.value.told_what("ja")
    assert len(told.splitlines()) == (2 if given == "many: [x, y]" else 1)
    assert all(JAPANESE.search(line) for line in told.splitlines()), told
    assert not re.search("should|Input", told)


def test_a_kind_that_nobody_translated_is_told_as_pydantic_does() -> None:
    class Odd(Strict):
        pair: complex

    with pytest.raises(ValidationError) as caught:
        Odd.model_validate({"pair": "x"})
    (fault,) = caught.value.errors()
    told = faults.told(fault)
    assert told.ja == told.en == f"pair: {fault['msg']}"


def test_a_bad_value_is_read_in_both_languages_through_pydantic() -> None:
    with pytest.raises(ValidationError) as caught:
        devices.Devices.model_validate({"version": 1, "devices": [{"mac": "zz"}]})
    fault = next(one for one in caught.value.errors() if one["loc"][-1] == "mac")
    assert isinstance(fault["ctx"]["error"], BadValue)
    assert faults.told(fault).ja.startswith("devices.0.mac: 'zz' はMACアドレスではない")
    assert faults.told(fault).en.startswith("devices.0.mac: 'zz' is no MAC address")


def test_a_router_that_cannot_be_asked_for_want_of_a_key(say: Say, tmp_path: Path) -> None:
    say("fleet", "import", folders.data("inventory") / "example" / "ledger.csv", "--state", tmp_path / "s")
    code, told = say("network", "show", "--state", tmp_path / "s")
    assert (code, f"{tmp_path / 's' / 'ssh' / 'id_ed25519'} がない" in told) == (3, True), told


def test_a_pack_and_an_auditor_are_told_in_both_languages(say: Say, tmp_path: Path) -> None:
    state, key, pack, signed = (tmp_path / name for name in ("s", "key", "pack.zip", "signed.json"))
    say("fleet", "import", folders.data("inventory") / "example" / "ledger.csv", "--state", state)
    assert "手元に保管する" in say("auditor", "keygen", key)[1]
    assert "既にある" in say("auditor", "keygen", key)[1]
    assert "記録2番: 外部監査人" in say("auditor", "add", f"{key}.pub", "--name", "外部監査人", "--state", state)[1]
    assert "有効な外部確認がない:" in say("auditor", "list", "--state", state)[1]
    assert "no outside confirmation holds:" in say("auditor", "list", "--state", state, "--lang", "en")[1]
    assert "記録2件" in say("pack", "build", "-o", pack, "--state", state)[1]
    words = ("pack", "countersign", pack, "--verdict", "yes", "--expires", "2099-03-31", "-o", signed)
    assert "この鍵は証跡パック自体に署名した鍵" in say(*words, "--key", state / "keys" / "signer")[1]
    assert "判定「可」、有効期限 2099-03-31" in say(*words, "--key", key)[1]
    assert "対象は記録2番まで" in say("auditor", "accept", signed, "--state", state)[1]
    code, told = say("auditor", "accept", signed, "--state", state, "--lang", "en")
    assert (code, "on the chain already" in told, JAPANESE.search(told)) == (2, True, None)
    with sqlite3.connect(state / "sekisho.db") as database:
        database.execute("DROP TRIGGER record_is_fixed")
        database.execute("UPDATE record SET kind = 'fleet.other' WHERE seq = 1")
    build = ("pack", "build", "-o", pack, "--state", state)
    assert "記録1番: データベースの内容が署名された内容と違う" in say(*build)[1]
    assert "record 1: what the database says of it is not what was signed" in say(*build, "--lang", "en")[1]
