"""The report: nothing runs in it, nothing is fetched, every value is escaped, and nobody is left out."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

import pytest

from sekisho.core.reason import typed
from sekisho.core.state import State, open_state
from sekisho.evidence import pack
from sekisho.evidence.chain import Chain
from sekisho.evidence.picture import CheckText
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.standing import Standing
from sekisho.migration import checks
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
