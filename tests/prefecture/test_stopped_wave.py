"""A wave in which too much fails stops by itself, and stays stopped until somebody has done something about it."""

from __future__ import annotations

import pytest

from prefecture import Prefecture
from sekisho.evidence.chain import Chain

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# Half of a department is taken at a time: of these six the first batch has the first two of each department.
FIRST, REST = ["PC-0001", "PC-0002", "PC-0005", "PC-0006"], ["PC-0003", "PC-0007"]
ROGUE = "/etc/sudoers.d/rogue"


def test_too_many_failures_stop_a_wave(prefecture: Prefecture) -> None:
    wave = prefecture.wave(*FIRST, *REST)
    try:
        for asset in FIRST:
            prefecture.do(asset.lower(), f"echo 'games ALL=(root) NOPASSWD: /bin/sh' >{ROGUE}; chmod 440 {ROGUE}")
        stopped = prefecture.json("migrate", "--wave", wave, code=1)
        assert [(one["code"], one["values"]["count"], one["values"]["size"]) for one in stopped["refused"]] == [
            ("too-many-failed", "4", "6")
        ]
        assert {prefecture.terminal(asset).standing for asset in FIRST} == {"refused"}
        assert {prefecture.terminal(asset).standing for asset in REST} == {"planned"}
        [fact] = [one for one in Chain(prefecture.opened()).records("wave.stopped") if one.subject["name"] == wave]
        assert (fact.body["failed"], fact.body["unreachable"]) == (4, 0)

        before = Chain(prefecture.opened()).head().length
        again = prefecture.json("migrate", "--wave", wave, code=1)
        assert [one["code"] for one in again["refused"]] == ["too-many-failed"]
        touched = {one.subject["name"] for one in Chain(prefecture.opened()).records() if one.seq > before}
        assert not touched & {*FIRST, *REST}, "a wave that was stopped took up more terminals by itself"
    finally:
        for asset in FIRST:
            prefecture.do(asset.lower(), f"rm -f {ROGUE}")
        prefecture.home([*FIRST, *REST])
