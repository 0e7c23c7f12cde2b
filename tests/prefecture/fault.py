"""A fault by which a check must fail: what is done to which machine, and what an official must then be able to read.

Scripts run as root with `name`, `asset`, `n` (the terminal's number) and `mac` set. They change machines, never the
product.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from prefecture import Prefecture
from sekisho.fleet.terminal import Terminal


@dataclass(frozen=True)
class Fault:
    """One fault. `told` is part of the reason that the check must give; `also` are checks that see the same fact."""

    check: str
    told: str
    breaks: str
    mends: str
    on: str = "terminal"
    also: frozenset[str] = frozenset()

    def apply(self, prefecture: Prefecture, terminal: Terminal) -> None:
        """Do it."""
        self._run(prefecture, terminal, self.breaks)

    def mend(self, prefecture: Prefecture, terminal: Terminal) -> None:
        """Undo it."""
        self._run(prefecture, terminal, self.mends)

    def _run(self, prefecture: Prefecture, terminal: Terminal, script: str) -> None:
        known = {"name": terminal.name, "asset": terminal.asset, "n": str(terminal.number), "mac": terminal.mac}
        words = "; ".join(f"{key}={shlex.quote(value)}" for key, value in known.items())
        prefecture.do(terminal.name if self.on == "terminal" else self.on, f"set -e; {words}; {script}")


_ROW = """
import json, pathlib, sqlite3, sys
word, cn, column, value = sys.argv[1:]
kept = pathlib.Path(f"/root/{cn}.json")
db = sqlite3.connect("/var/lib/sekisho/assign.db", timeout=10)
if word == "break":
    kept.write_text(json.dumps(db.execute(f"SELECT {column} FROM assignment WHERE cn = ?", (cn,)).fetchone()[0]))
new = json.loads(value if word == "break" else kept.read_text())
db.execute(f"UPDATE assignment SET {column} = ? WHERE cn = ?", (new, cn))
db.commit()
"""


def row(check: str, told: str, column: str, value: str) -> Fault:
    """A column of the terminal's row that somebody changes on the RADIUS server, past the one command; JSON value."""
    script = f"python3 -c {shlex.quote(_ROW)} %s $asset {column} {shlex.quote(value)}"
    return Fault(check, told, script % "break", script % "mend", on="radius")


def tunnel(check: str, target: str, told: str) -> Fault:
    """A program on the terminal that brings a forbidden server near, as a tunnel does: the terminal reaches it."""
    return Fault(
        check,
        told,
        "systemd-run --quiet --unit=tunnel python3 -m http.server 443 --bind 127.0.0.1;"
        "nft 'add table ip tunnel; add chain ip tunnel output { type nat hook output priority -100; };"
        f" add rule ip tunnel output ip daddr {target} tcp dport 443 dnat to 127.0.0.1';"
        "for i in $(seq 100); do ss -Htln | grep -q 127.0.0.1:443 && exit; sleep 0.1; done; exit 1",
        "nft delete table ip tunnel; systemctl stop tunnel",
    )
