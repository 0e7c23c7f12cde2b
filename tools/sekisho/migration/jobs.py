"""One Ansible job a batch, through ansible-runner: what each terminal answered, and one JSONL file of events a job."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import ansible_runner

from sekisho.core import folders
from sekisho.core.clock import stamp
from sekisho.core.errors import SekishoError
from sekisho.core.language import Both

Outcome = Literal["ok", "failed", "unreachable", "missing"]
_SPEAKING = {"runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped"}


@dataclass
class Job:
    """What a job did. `outcomes` has every terminal asked for; `missing` means that Ansible never spoke of it."""

    playbook: str
    outcomes: dict[str, Outcome]
    reasons: dict[str, str]
    changed: dict[str, int]
    started: str
    ended: str
    events: Path
    diff: list[str] = field(default_factory=list)

    def evidence(self, name: str) -> dict[str, Any]:
        """What goes on the chain about one terminal."""
        return {
            "playbook": self.playbook,
            "outcome": self.outcomes[name],
            "reason": self.reasons.get(name, ""),
            "changed": self.changed.get(name, 0),
            "started": self.started,
            "ended": self.ended,
            "events_sha256": sha256(self.events.read_bytes()).hexdigest(),
        }


@dataclass
class _Listener:
    """Keeps one line an event that says something, and checks that none is missing: runner reports no gap itself."""

    stream: Any
    wanted: set[str]
    tell: Callable[[str], None]
    job: Job
    last: int = 0
    gaps: int = 0

    def hear(self, event: dict[str, Any]) -> bool:
        counter = int(event.get("counter", 0))
        self.gaps += counter != self.last + 1
        self.last = counter
        kind = str(event.get("event", ""))
        data = event.get("event_data") or {}
        host = str(data.get("host", ""))
        if kind in _SPEAKING and host in self.wanted:
            self._host_event(kind, host, data)
        elif kind == "runner_item_on_ok" and host in self.wanted and (data.get("res") or {}).get("diff"):
            self._host_event(kind, host, data)  # a loop's own event has no differences, each item's has
        elif kind == "playbook_on_task_start":
            self.tell(str(data.get("task", "")))
        elif kind == "playbook_on_stats":
            for name in data.get("ok", {}) or {}:
                if name in self.wanted and self.job.outcomes[name] == "missing":
                    self.job.outcomes[name] = "ok"
            self.job.changed = {name: int(count) for name, count in (data.get("changed") or {}).items()}
        return False  # keep no file an event

    def _host_event(self, kind: str, host: str, data: dict[str, Any]) -> None:
        result = data.get("res") or {}
        line = {"at": stamp(), "host": host, "task": data.get("task", ""), "event": kind.rpartition("_on_")[2]}
        line["changed"] = bool(result.get("changed"))
        ignored = bool(data.get("ignore_errors"))
        if kind == "runner_on_unreachable":
            self.job.outcomes[host] = "unreachable"
            self.job.reasons[host] = _short(result)
        elif kind == "runner_on_failed" and not ignored:
            self.job.outcomes[host] = "failed"
            self.job.reasons[host] = f"{data.get('task', '')}: {_short(result)}"
            line["reason"] = self.job.reasons[host]
        diff = result.get("diff")
        if diff:
            line["diff"] = diff
            self.job.diff.append(f"{host}: {data.get('task', '')}")
        self.stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def run_playbook(
    playbook: str,
    names: Sequence[str],
    *,
    state: Path,
    run_folder: Path,
    forks: int,
    check: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    extra: Mapping[str, Any] | None = None,
) -> Job:
    """Run `playbooks/<playbook>` on the terminals `names` (host names of the inventory).

    `check` runs in Ansible's check mode with diffs. `tell` is called with the name of each task as it starts.

    Raises:
        SekishoError: Ansible did not run to its end, or an event of it is missing.
    """
    playbooks = folders.data("playbooks")
    run_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    events = run_folder / f"{Path(playbook).stem}-{stamp().replace(':', '')}.jsonl"
    job = Job(playbook, dict.fromkeys(names, "missing"), {}, {}, stamp(), "", events)
    limit = run_folder / "limit"
    limit.write_text("\n".join(names) + "\n", encoding="utf-8")
    environment = {
        "ANSIBLE_CONFIG": str(playbooks / "ansible.cfg"),
        "SEKISHO_STATE": str(state.resolve()),
        "SEKISHO_RUN_LOCK": str((state / "run.lock").resolve()),
        "PATH": f"{_wrapper(run_folder)}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    }
    with events.open("w", encoding="utf-8") as stream:
        listener = _Listener(stream, set(names), tell, job)
        result = ansible_runner.run(
            private_data_dir=str(run_folder),
            project_dir=str(playbooks),
            playbook=str(playbooks / playbook),
            inventory=str(folders.data("inventory") / "ledger"),
            limit=f"@{limit}",
            forks=forks,
            envvars=environment,
            cmdline="--check --diff" if check else None,
            extravars=dict(extra or {}),
            event_handler=listener.hear,
            rotate_artifacts=1,
            suppress_env_files=True,
            quiet=True,
        )
    job.ended = stamp()
    if listener.gaps or (result.rc not in (0, 2, 4) and all(value == "missing" for value in job.outcomes.values())):
        told = result.stdout.read()[-600:] if result.stdout else ""
        raise SekishoError(
            Both(
                f"Ansibleが {playbook} を最後まで実行しなかった(終了コード{result.rc}): {told}",
                f"Ansible did not run {playbook} to its end (code {result.rc}): {told}",
            ),
            Both(f"{run_folder} を確認する", f"see {run_folder}"),
        )
    return job


def _wrapper(run_folder: Path) -> Path:
    """A folder with an `ansible-playbook` that holds the run's lock as long as it lives.

    ansible-runner closes every inherited file, so the child takes the lock itself; when a later run already holds it,
    the child must not start.
    """
    folder = run_folder / "bin"
    folder.mkdir(exist_ok=True)
    real = Path(sys.executable).parent / "ansible-playbook"
    script = folder / "ansible-playbook"
    if not script.exists():
        script.write_text(
            "#!/bin/sh\n"
            'exec 9<"$SEKISHO_RUN_LOCK" && flock --shared --nonblock 9 || exit 75\n'
            f'exec {shlex.quote(str(real))} "$@"\n',
            encoding="utf-8",
        )
        script.chmod(0o700)
    return folder


def _short(result: dict[str, Any]) -> str:
    return str(result.get("msg") or result.get("stderr") or result.get("stdout") or "no reason given").strip()[:400]
