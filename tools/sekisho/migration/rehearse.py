"""`migrate --dry-run`: Ansible's check mode on the terminals of a wave; nothing changes, nothing is recorded."""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import Any

from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.fleet.standing import Standing
from sekisho.migration import jobs
from sekisho.migration.wave import Run

_STILL_HOME = {Standing.PLANNED, Standing.UNREACHED, Standing.REFUSED, Standing.RETURNED}


def rehearse(run: Run) -> dict[str, Any]:
    """What `prepare` would change on each terminal that is still in the LGWAN tier, with the differences.

    Raises:
        BadInput: there is no such wave, or none of its terminals is left.
    """
    there = [one for one in run.journal.ledger.terminals(wave=run.wave) if one.standing in _STILL_HOME]
    if not there:
        raise BadInput(
            Both(f"ウェーブ {run.wave} に移行する端末が残っていない", f"wave {run.wave} has no terminal left to move"),
            Both("ウェーブの名前は `sekisho plan` で確認する", "`sekisho plan` names the waves"),
        )
    run.listener.stage("prepare", len(there))
    job = jobs.run_playbook(
        "prepare.yml",
        [one.name for one in there],
        state=run.state.folder,
        run_folder=run.folder,
        forks=run.waves.forks,
        check=True,
        tell=run.listener.task,
    )
    return {
        "terminals": {
            one.asset: {
                "outcome": job.outcomes[one.name],
                "reason": job.reasons.get(one.name, ""),
                "changed": job.changed.get(one.name, 0),
            }
            for one in there
        },
        "diff": _differences(job),
    }


def _differences(job: jobs.Job) -> list[str]:
    found = []
    for line in job.events.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        parts = event.get("diff") or []
        for part in parts if isinstance(parts, list) else [parts]:
            lines = unified_diff(
                _lines(part.get("before")),
                _lines(part.get("after")),
                str(part.get("before_header", "before")),
                str(part.get("after_header", "after")),
                lineterm="",
            )
            if told := "\n".join(lines):
                found.append(f"{event['host']}: {event['task']}\n{told}")
    return found


def _lines(side: str | dict[str, Any] | None) -> list[str]:
    """One side of a difference: a file's text, or its attributes by name."""
    if isinstance(side, dict):
        return [f"{name}: {value}" for name, value in sorted(side.items())]
    return (side or "").splitlines()
