"""A harmless attack rehearsal on a moved terminal: what is typed there is an alert within seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stage import BUILD, CONTROL, SEKISHO, Stopped, chapter, console, control, environment, mishap

TERMINAL = "pc-0001"
PATIENCE = 120.0  # seconds
# By the rule that must notice it: what is done, and how.
DONE = {
    "Device Key Read Or Copied": ("端末の秘密鍵を読む / the device key is read", "cat /etc/sekisho/device/device.key"),
    "New Account For People On A Terminal": ("利用者を作る / an account is made", "useradd visitor && userdel visitor"),
    "LGWAN Address From The Internet Tier": (
        "LGWANの業務サーバを探る / a business server in LGWAN is probed",
        "curl --silent --max-time 1 https://10.110.0.10:8443/ || true",
    ),
    "My Number Address From Another Tier": (
        "マイナンバー系を探る / a My Number server is probed",
        "curl --silent --max-time 1 https://10.140.0.10/ || true",
    ),
}


def rehearse(number: int) -> None:
    """While the store is filled and watched, attack, and wait until each attack is an alert."""
    chapter(number, "攻撃の予行: 監視は気づくか", "A harmless attack rehearsal: is it noticed?")
    alerts = BUILD / "alerts.ndjson"
    with _running("ship", to=BUILD / "ship.log"), _running("watch", "--json", to=alerts):
        since, begun = datetime.now(UTC).isoformat(), time.monotonic()
        for told, command in DONE.values():
            console.print(f"  {TERMINAL.upper()}: {told}")
            mishap(TERMINAL, f"{command} >/dev/null 2>&1")
        noticed: dict[str, float] = {}
        while missing := DONE.keys() - noticed.keys():
            seconds = time.monotonic() - begun
            if seconds > PATIENCE:
                raise Stopped(f"no alert within {PATIENCE:.0f} s: {', '.join(sorted(missing))}")
            new = [one for one in _lines(alerts) if one["host"] == TERMINAL and one["timestamp"] >= since]
            titles = {one["rule_title"] for one in new}
            noticed |= dict.fromkeys(titles & missing, seconds)
            time.sleep(0.1)
    for title, seconds in noticed.items():
        console.print(f"  [green]{seconds:4.1f} 秒[/green]  {title}")
    earlier = [one for one in _lines(alerts) if one["host"] == "pc-0004"]
    console.print(f"  移行の夜の PC-0004 にも {len(earlier)} 件 / and of PC-0004, from the night before:")
    for title in dict.fromkeys(one["rule_title"] for one in earlier):
        console.print(f"    {title}")
    console.print("  一覧 / all of them: [bold].venv/bin/sekisho alerts --state build/demo/state[/bold]")
    control("alerts", "--level", "critical")


def _lines(path: Path) -> list[dict[str, Any]]:
    """The alerts so far; the last line may still be being written."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]


@contextmanager
def _running(*words: str, to: Path) -> Iterator[None]:
    """A command of the product that runs on the control machine meanwhile."""
    argv = [str(word) for word in (*CONTROL, SEKISHO, *words)]
    with to.open("wb") as out:
        process = subprocess.Popen(
            argv, env=environment(), stdin=subprocess.DEVNULL, stdout=out, start_new_session=True
        )
    try:
        yield
        if process.poll() is not None:
            raise Stopped(f"{' '.join(words)} ended with {process.returncode}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
