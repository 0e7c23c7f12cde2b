"""What a run came to, in plain words and in the language that was asked for; for programs, in both."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sekisho.cli import app as front
from sekisho.cli import options
from sekisho.cli.progress import Progress
from sekisho.core.language import Both
from sekisho.core.reason import Reason, because, typed
from sekisho.core.sentences import Code
from sekisho.core.state import State, open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.migration import checks
from sekisho.migration.summary import Outcome, summarise
from sekisho.migration.wave import STAGES

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
GATE = Both("入口ゲート", "entry gate")
SILENT = because(Code.SILENT_ON_PROBATION)
FATE = {
    "PC-0001": (Standing.CONFIRMED, because(Code.CONFIRMED)),
    "PC-0002": (Standing.REFUSED, None),
    "PC-0003": (Standing.UNREACHED, because(Code.OUT_OF_REACH, gate=GATE)),
    "PC-0004": (Standing.RETURNED, SILENT),
    "PC-0005": (Standing.QUARANTINED, typed("moved {by} [bold]hand[/bold]")),
    "MN-0001": (Standing.FIXED, typed("")),
}


@pytest.fixture
def state(tmp_path: Path) -> State:
    """One terminal of each fate, and a My Number terminal."""
    state = open_state(tmp_path / "state", create=True)
    fact = checks.catalogue()["administrators"]
    detail = Both("rogue", "unexpected administrators: rogue")
    failed = because(Code.CHECK_FAILED, gate=GATE, check=fact.id, fact=fact, detail=detail, remedy=fact.remedy)
    with state.transaction() as tx:
        for number, (asset, (standing, why)) in enumerate(FATE.items(), 1):
            kind, home = ("staff", "lgwan") if asset.startswith("PC") else ("mynumber", "mynumber")
            tier = "internet" if standing == Standing.CONFIRMED else home
            tx.run(
                "INSERT INTO terminal VALUES (?, ?, ?, ?, ?, 'zeimu', '所有者', ?, ?, ?, 'pilot', 1, NULL, ?)",
                (asset, number, asset.lower(), f"02:5e:00:00:00:0{number}", kind, home, tier, standing,
                 (why or failed).stored()),
            )  # fmt: skip
        Chain(state).append(tx, "fleet.imported", {"type": "fleet", "name": "ledger"}, {"added": list(FATE)})
    return state


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> str:
    monkeypatch.setattr(sys, "argv", ["sekisho", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "220")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        front.main()
    return capsys.readouterr().out


def test_each_is_counted_once_and_those_that_never_move_are_not(state: State) -> None:
    summary = summarise(Ledger(state).terminals())
    assert summary.counts == {
        Outcome.CROSSED: 1,
        Outcome.REFUSED: 1,
        Outcome.RETURNED: 1,
        Outcome.UNREACHABLE: 1,
        Outcome.QUARANTINED: 1,
        Outcome.WAITING: 0,
    }
    assert [one.terminal.asset for one in summary.held] == ["PC-0002", "PC-0004", "PC-0003", "PC-0005"]
    assert all(one.next is not None for one in summary.held)


def test_every_standing_has_an_outcome_or_waits() -> None:
    for standing in Standing:
        assert standing.ja
        assert standing.en
        assert not JAPANESE.search(standing.en)


def test_status_in_japanese(state: State, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = said(capsys, monkeypatch, "status", "--offline", "--wave", "pilot", "--state", state.folder)
    assert "移行対象 5台: 移行完了 1、移行前に不可 1、元の系へ復帰 1、応答なし 1、隔離 1" in told
    assert "入口ゲート「想定外の管理者アカウントがない」に不合格: rogue" in told
    assert "そのアカウントまたはsudoの設定を取り除くか" in told
    assert "税務課" in told
    assert "インターネット接続系" in told
    assert "sekisho migrate --wave pilot --retry" in told
    assert "moved {by} [bold]hand[/bold]" in told
    for en in ("did not answer", "out of reach", "refused", "confirmed", "zeimu", "Tax"):
        assert en not in told


def test_status_in_english(state: State, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("status", "--offline", "--wave", "pilot", "--state", state.folder, "--lang", "en")
    told = said(capsys, monkeypatch, *words)
    assert "5 terminals to cross: crossed 1, refused before crossing 1, went back 1, out of reach 1" in told
    assert "unexpected administrators: rogue" in told
    assert not JAPANESE.search(told)


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_program_reads_codes_and_values_whatever_the_language(
    state: State, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    words = ("status", "--offline", "--json", "--state", state.folder, "--lang", lang)
    told = json.loads(said(capsys, monkeypatch, *words))
    assert told["unknown"]["code"] == Code.RADIUS_NOT_ASKED
    assert told["summary"]["counts"]["refused"] == 1
    why = {one["asset"]: one["why"] for one in told["terminals"]}
    assert why["PC-0002"]["code"] == Code.CHECK_FAILED
    assert why["PC-0002"]["values"]["check"] == "administrators"
    assert why["PC-0004"] == SILENT.as_json()
    held = {one["asset"]: one for one in told["summary"]["held"]}
    assert held["PC-0003"]["next"]["ja"].startswith("電源")
    assert held["PC-0003"]["next"]["en"].startswith("switch it on")


def test_fleet_show_has_the_reason_and_the_history_in_both_languages(
    state: State, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with state.transaction() as tx:
        seq = Chain(state).append(tx, "terminal.moved", {"type": "terminal", "name": "PC-0004"}, {})
        Ledger(state).move(tx, "PC-0004", Standing.PLANNED, who="tantou", why=because(Code.TAKEN_UP_AGAIN), record=seq)
    assert "再実行の対象" in said(capsys, monkeypatch, "fleet", "show", "PC-0004", "--state", state.folder)
    english = said(capsys, monkeypatch, "fleet", "show", "PC-0004", "--lang", "en", "--state", state.folder)
    assert "taken up again" in english
    assert not JAPANESE.search(english.replace("所有者", ""))


def test_free_text_of_an_older_state_is_shown_as_it_is(
    state: State, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with state.transaction() as tx:
        tx.run("UPDATE terminal SET why = 'collector-hears: no log line has arrived' WHERE asset = 'PC-0004'")
    assert Ledger(state).terminal("PC-0004").why == Reason("", {}, *["collector-hears: no log line has arrived"] * 2)
    told = said(capsys, monkeypatch, "status", "--offline", "--state", state.folder)
    assert "collector-hears: no log line has arrived" in told


@pytest.mark.parametrize("lang", options.Lang)
def test_bars_speak_the_language_that_was_asked_for(lang: options.Lang, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    monkeypatch.setattr("sekisho.cli.bar.screen", lambda **_: Console(file=heard, force_terminal=True, width=150))
    options.hear(["--lang", lang])
    try:
        with Progress(quiet=False, verbose=False) as progress:
            for stage in STAGES:
                progress.stage(stage, 3)
                progress.step()
    finally:
        options.hear([])
    for stage in STAGES.values():
        assert (stage.ja if lang == options.Lang.JA else stage.en) in heard.getvalue()
    assert bool(JAPANESE.search(heard.getvalue())) == (lang == options.Lang.JA)
