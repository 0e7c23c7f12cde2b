"""What the story is told with: commands of the product, what happens to the machines, and what is said meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "demo"
STATE = BUILD / "state"
AUDITOR = BUILD / "auditor"
SEKISHO = Path(sys.executable).parent / "sekisho"
LAB = "demo"
CONTROL = (SEKISHO, "lab", "exec", "--name", LAB, "control", "--")  # what follows runs on the control machine
STORE = os.environ.get("STORE", "embedded")
VERBOSE = "-v" in sys.argv[1:]
console = Console(highlight=False)


class Stopped(Exception):  # noqa: N818 - the demo stopped
    """A step ended otherwise than the story says."""


def call(*words: str | Path, wants: int = 0, quiet: bool = False) -> str:
    """Run a sekisho command on this machine; `wants` is the exit code that the story expects."""
    return _run([SEKISHO, *words], wants=wants, quiet=quiet)


def control(*words: str | Path, wants: int = 0, quiet: bool = False) -> str:
    """Run a sekisho command on the lab's control machine."""
    return _run([*CONTROL, SEKISHO, *words], wants=wants, quiet=quiet)


def environment() -> dict[str, str]:
    """What commands are told by their environment."""
    return {
        **os.environ,
        "SEKISHO_STATE": str(STATE),
        "SEKISHO": str(SEKISHO),
        "ANSIBLE_CONFIG": str(ROOT / "playbooks" / "ansible.cfg"),
    }


def _run(argv: Sequence[str | Path], *, wants: int, quiet: bool) -> str:
    words = [str(word) for word in argv]
    shown = " ".join(Path(words[0]).name if word == words[0] else word for word in words if word != "--")
    if VERBOSE:
        console.print(f"[dim]$ {shown}[/dim]")
    pipe = subprocess.PIPE if quiet else None
    done = subprocess.run(words, env=environment(), stdout=pipe, text=True, check=False)
    if done.returncode != wants:
        raise Stopped(f"{shown}\nended with {done.returncode}, expected {wants}")
    return done.stdout or ""


def chapter(number: int, ja: str, en: str) -> None:
    """Say what comes next."""
    console.print(Panel(f"[bold]{ja}[/bold]\n[dim]{en}[/dim]", title=str(number), title_align="left", width=88))


def lab(*words: str | Path, quiet: bool = False) -> str:
    """Do something to the lab's machines or cables."""
    return call("lab", words[0], "--name", LAB, *words[1:], quiet=quiet)


def mishap(machine: str, command: str) -> None:
    """Cause a fault on a machine itself, as an intruder or a careless hand would."""
    lab("exec", machine, "--", "sh", "-c", command, quiet=True)


def provision(*playbooks: str, words: Sequence[str] = ()) -> None:
    """Run playbooks by hand, as the README shows, with a line a task instead of a wall."""
    for playbook in playbooks:
        argv = [*CONTROL, Path(sys.executable).parent / "ansible-playbook"]
        argv += ["-i", ROOT / "inventory" / "ledger", ROOT / "playbooks" / playbook, *words]
        log = BUILD / f"{Path(playbook).stem}.log"
        with (
            log.open("w", encoding="utf-8") as keep,
            console.status(playbook) as status,
            subprocess.Popen(
                [str(word) for word in argv],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            for line in process.stdout or ():
                keep.write(line)
                if line.startswith("TASK ["):
                    status.update(f"{playbook}: {line[6:].partition(']')[0]}")
                if VERBOSE:
                    console.print(line.rstrip(), markup=False)
        if process.returncode:
            tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
            raise Stopped(f"{playbook} ended with {process.returncode}; the last lines of {log}:\n{tail}")
        console.print(f"  {playbook} ✓")


def ports() -> dict[str, Any]:
    """The ports of the access switch as they are now, by the machine's name."""
    found: dict[str, Any] = json.loads(lab("status", "--json", quiet=True))["ports"]
    return found
