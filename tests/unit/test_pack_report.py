"""The report: nothing runs in it, nothing is fetched, every value is escaped, and nobody is left out."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

import pytest

from sekisho.core import phrases
from sekisho.core.language import Both
from sekisho.core.reason import because, typed
from sekisho.core.sentences import SENTENCES, Code
from sekisho.core.state import State, open_state
from sekisho.evidence import pack
from sekisho.evidence import report as evidence_report
from sekisho.evidence.chain import Chain
from sekisho.evidence.picture import CheckText
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.migration import checks
from sekisho.migration.journal import Change, Journal
from sekisho.policy import controls

CHECKS = {"disk": CheckText("ディスクに余裕がある", "there is room on the disk", ("endpoint-protection",), "terminal")}
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def state(tmp_path: Path) -> State:
    """PC-0001 was refused for its disk; PC-0002 is in the ledger, but on no record."""
    state = open_state(tmp_path / "state", create=True)
    chain = Chain(state)
    with state.transaction() as tx:
        for number in (1, 2):
            tx.run(
                "INSERT INTO terminal (asset, number, name, mac, kind, department, owner, home, tier, standing)"
                " VALUES (?, ?, ?, ?, 'staff', ?, '所有者の名', 'lgwan', 'lgwan', 'unplanned')",
                (f"PC-000{number}", number, f"pc-000{number}", f"02:5e:00:00:00:0{number}", HOSTILE),
            )
        chain.append(tx, "fleet.imported", {"type": "fleet", "name": "ledger"}, {"added": ["PC-0001"]})
        seq = chain.append(tx, "wave.planned", {"type": "wave", "name": "pilot"}, {"terminals": ["PC-0001"]})
        Ledger(state).move(tx, "PC-0001", Standing.PLANNED, who="t", why=typed(""), record=seq, wave="pilot")
        result = {"check": "disk", "outcome": "failed", "detail": HOSTILE}
        facts = {"gate": "entry", "passed": False, "became": "refused", "results": [result]}
        seq = chain.append(tx, "gate.result", {"type": "terminal", "name": "PC-0001"}, facts)
        Ledger(state).move(tx, "PC-0001", Standing.REFUSED, who="t", why=typed(HOSTILE), record=seq)
    return state


def report(state: State, lang: Literal["ja", "en"]) -> str:
    path = pack.build(state, state.folder.parent / "p.zip", lang=lang, checks=CHECKS).path
    with zipfile.ZipFile(path) as archive:
        assert "所有者の名" not in archive.read("ledger.json").decode()
        return archive.read("report.html").decode()


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_nothing_runs_and_nothing_is_fetched(state: State, lang: Literal["ja", "en"]) -> None:
    html = report(state, lang)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"<(img|iframe|link|object|embed)\b|\b(src|href)=|url\(|@import", html)


def test_japanese_first(state: State) -> None:
    html = report(state, "ja")
    assert '<html lang="ja">' in html
    assert "ディスクに余裕がある" in html
    assert "移行前に不可" in html


def section(html: str, number: int) -> str:
    return html.split(f"<h2>{number}.")[1].split("<h2>", maxsplit=1)[0]


def crossed_and_held(state: State) -> None:
    """What a night leaves: an entry gate that refused the wave, a check that failed, a PC that was off, a playbook."""
    gate = Both("入口ゲート", "entry gate")
    fact = checks.catalogue()["administrators"]
    detail = phrases.both("unexpected administrators: rogue")
    full = phrases.both("No space left on device")
    reasons = {
        "PC-0002": because(Code.CHECK_FAILED, gate=gate, check=fact.id, fact=fact, detail=detail, remedy=fact.remedy),
        "PC-0003": because(Code.OUT_OF_REACH, gate=gate),
        "PC-0004": because(Code.PLAYBOOK_FAILED, stage=Both("準備作業", "preparing"), said=full),
        "PC-0005": because(Code.STAYED, said=phrases.both("the switch did not acknowledge the end of the old session")),
    }
    standings = {"PC-0003": Standing.UNREACHED}
    journal = Journal(state, who="tantou", wave="pilot")
    with state.transaction() as tx:
        for number in range(3, 6):
            tx.run(
                "INSERT INTO terminal (asset, number, name, mac, kind, department, owner, home, tier, standing)"
                " VALUES (?, ?, ?, ?, 'staff', 'zeimu', 'x', 'lgwan', 'lgwan', 'unplanned')",
                (f"PC-000{number}", number, f"pc-000{number}", f"02:5e:00:00:00:0{number}"),
            )
    asked = {
        "host": "PC-0002",
        "at": "2026-11-24T05:00:00.000Z",
        "command": "getent group sudo",
        "said": "sudo:x:27:rogue",
    }
    result = {"check": fact.id, "outcome": "failed", "detail": detail.en, "commands": [asked]}
    facts = {"PC-0002": {"gate": "entry", "passed": False, "results": [result]}}
    refused = {"gate": "entry", "passed": False, "reasons": [because(Code.NO_COUNTERSIGNATURE).as_json()]}
    journal.note("gate.result", {"type": "wave", "name": "pilot"}, refused)
    for asset, why in reasons.items():
        kind = "gate.result" if asset == "PC-0002" else "playbook.run"
        journal.change([Change(asset, Standing.PLANNED, because(Code.IN_WAVE, wave="pilot"))])
        journal.change([Change(asset, standings.get(asset, Standing.REFUSED), why, kind, facts=facts.get(asset))])


def test_a_failure_is_told_with_its_fact_what_was_seen_and_what_to_do(state: State) -> None:
    crossed_and_held(state)
    told = section(report(state, "ja"), 5)
    assert "入口ゲート「想定外の管理者アカウントがない」に不合格: rogue" in told
    assert "getent group sudo" in told
    assert "sudo:x:27:rogue" in told
    assert "対処: そのアカウントまたはsudoの設定を取り除くか" in told
    assert "税務課" in told
    assert "the entry gate failed: “nobody but root" in section(report(state, "en"), 5)


def test_the_japanese_report_gives_no_reason_in_english(state: State) -> None:
    crossed_and_held(state)
    html = report(state, "ja")
    for code in Code:
        for part in re.split(r"\{\w+\}", SENTENCES[code][1]):
            words = part.strip(" :,“”()")
            assert " " not in words or words not in html, f"{code}: {words}"
    for en in phrases.PHRASES:
        for part in en.split("{}"):
            assert part.strip().count(" ") < 2 or part.strip() not in html, en


def test_who_decided_stands_beside_each_decision(state: State) -> None:
    crossed_and_held(state)
    html = report(state, "ja")
    assert "tantou" in section(html, 6)
    assert "外部確認がない" in section(html, 6)
    assert "tantou" in section(html, 10)


def test_the_summary_counts_what_the_ledger_and_the_checks_say(state: State) -> None:
    crossed_and_held(state)
    told = section(report(state, "ja"), 2)
    assert "移行の対象5台のうち0台が移行を完了した" in told
    assert "5台は移行していない" in told
    assert "不合格 2件" in told
    assert "外部監査人の副署はまだない" in told


def test_every_kind_of_record_that_the_package_writes_has_a_name_in_both_languages() -> None:
    package = Path(evidence_report.__file__).resolve().parents[1]
    first = {kind.partition(".")[0] for kind in evidence_report.KINDS}
    pattern = rf'"((?:{"|".join(first)})\.(?!yml|lock)[a-z_]+)"'
    written = {kind for path in package.rglob("*.py") for kind in re.findall(pattern, path.read_text(encoding="utf-8"))}
    assert len(written) > 20
    assert written <= set(evidence_report.KINDS)
    assert all(re.search(r"[\u3040-\u9fff]", ja) and en.isascii() for ja, en in evidence_report.KINDS.values())


def test_english_on_request(state: State) -> None:
    html = report(state, "en")
    assert "there is room on the disk" in html
    assert not re.search(r"[\u3040-\u30ff]", re.sub(r'class="soft">.*?<|font:[^;]*;', "", html))


def test_changes_of_auditor_keys_stand_first(state: State) -> None:
    html = report(state, "ja")
    assert re.findall(r"<h2>(.*?)</h2>", html)[0].startswith("1. 監査人の鍵")


def test_a_terminal_without_a_record_is_named(state: State) -> None:
    html = report(state, "ja")
    section = html.split("<h2>3.")[1].split("<h2>4.")[0]
    assert "PC-0002" in section
    assert "PC-0001" not in section


def test_a_standing_that_no_record_explains_is_named(state: State) -> None:
    with state.transaction() as tx:
        tx.run("UPDATE terminal SET standing = 'confirmed' WHERE asset = 'PC-0001'")
    section = report(state, "ja").split("<h2>3.")[1].split("<h2>4.")[0]
    assert "PC-0001" in section


def test_every_control_that_a_check_names_is_in_the_catalogue() -> None:
    known = {one.id for one in controls.read().controls}
    named = {control for check in checks.catalogue().values() for control in check.controls}
    assert named <= known
