"""`sekisho rules import`: a release of SigmaHQ's, offline, and what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    print_json,
    say,
    visible,
)
from sekisho.core.clock import japan, stamp
from sekisho.core.language import Both
from sekisho.detection import active
from sekisho.detection.active import Active
from sekisho.detection.release import taking
from sekisho.detection.release.held import Release
from sekisho.detection.release.index import Change, Changes
from sekisho.detection.release.taking import Outcome
from sekisho.policy import detection as policy


def take(
    archive: Annotated[
        Path,
        typer.Argument(help="SigmaHQ's release: sigma_all_rules.zip and the like, or its source as zip or tar.gz."),
    ],
    only_look: Annotated[bool, typer.Option("--check", help="Only show what would change.")] = False,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Put a release in the place of the one before, whole or not at all, and show what changed."""
    wanted = policy.read()  # a fault in it is told before anything is done
    outcome = taking.take(state, archive, only_look=only_look)
    if not as_json:
        _tell(outcome, only_look=only_look)
    found = None if only_look else active.active(state, wanted)
    if as_json:
        print_json(_as_json(outcome, found))
    elif found:
        _tell_active(found)


def _tell(outcome: Outcome, *, only_look: bool) -> None:
    release, before, changes = outcome.release, outcome.before, outcome.changes
    typer.echo(
        visible(
            say(
                Both(
                    f"{_version(release).ja} ({release.archive}, SHA-256 {release.sha256}): ルール {outcome.rules:,}件",
                    f"{_version(release).en} ({release.archive}, SHA-256 {release.sha256}): {outcome.rules:,} rules",
                )
            )
        )
    )
    if before is None:
        typer.echo(say(Both("これまでに取り込んだものはない", "nothing was imported before")))
    else:
        when = japan(stamp(before.imported))
        told = Both(
            f"前回は{_version(before).ja}({when} に取込み)",
            f"before: {_version(before).en}, imported {when} (Japan time)",
        )
        typer.echo(visible(say(told)))
        for mark, some in (("+", changes.added), ("~", changes.changed), ("-", changes.removed)):
            for one in some:
                typer.echo(visible(f"{mark} {_line(one)}"))
    told = Both(
        f"追加 {len(changes.added):,}件、変更 {len(changes.changed):,}件、削除 {len(changes.removed):,}件",
        f"{len(changes.added):,} added, {len(changes.changed):,} changed, {len(changes.removed):,} removed",
    )
    typer.echo(say(told))
    if only_look:
        typer.echo(say(Both("確認のみ。何も変えていない", "only looked at; nothing was changed")))


def _tell_active(found: Active) -> None:
    count = sum(one.active and one.origin == "imported" for one in found.verdicts)
    unusable = len(found.ruleset.unusable)
    told = Both(
        f"このうち方針(policies/detection.yml)により使うもの {count:,}件、評価できないもの {unusable:,}件",
        f"of these {count:,} are active by policies/detection.yml; {unusable:,} cannot be evaluated",
    )
    typer.echo(say(told))
    for one in found.ruleset.unusable:
        typer.echo(visible(f"  {one.title or one.id or one.path}: {say(one.reason)}"))


def _line(one: Change) -> str:
    rule = one.now or one.was
    if rule is None:
        return one.id
    told = [f"{key} {_value(one, key)}" if key in {"level", "status"} else key for key in one.keys]
    return f"{rule.title} ({one.id}) {', '.join(told) or f'{rule.level}, {rule.status}'}"


def _value(one: Change, key: str) -> str:
    return "→".join(str(getattr(entry, key)) for entry in (one.was, one.now))


def _version(release: Release) -> Both:
    return Both(f"版 {release.version}", release.version) if release.version else Both("版の記載なし", "no version")


def _as_json(outcome: Outcome, found: Active | None) -> dict[str, Any]:
    return {
        "release": outcome.release.model_dump(mode="json"),
        "before": outcome.before and outcome.before.model_dump(mode="json"),
        "rules": outcome.rules,
        "imported": found is not None,
        **_changes(outcome.changes),
        "active": found and sum(one.active and one.origin == "imported" for one in found.verdicts),
        "unusable": found
        and [
            {"path": one.path, "id": one.id, "title": one.title, "reason": say(one.reason)}
            for one in found.ruleset.unusable
        ],
    }


def _changes(changes: Changes) -> dict[str, Any]:
    def told(some: Sequence[Change]) -> list[dict[str, Any]]:
        return [_change(one) for one in some]

    return {name: told(some) for name, some in changes._asdict().items()}


def _change(one: Change) -> dict[str, Any]:
    rule = one.now or one.was
    found: dict[str, Any] = {"id": one.id}
    if rule is not None:
        found |= {"title": rule.title, "level": rule.level, "status": rule.status, "path": rule.path}
    if one.keys and one.was:
        found |= {"keys": one.keys, "was": {"level": one.was.level, "status": one.was.status}}
    return found
