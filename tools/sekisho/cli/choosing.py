"""`sekisho rules list`: which rules are active, and why each is in or out."""

from __future__ import annotations

from typing import Annotated

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
from sekisho.core.language import Both
from sekisho.detection import active
from sekisho.detection.active import Active
from sekisho.detection.release import held
from sekisho.policy import detection as policy


def names(
    every: Annotated[bool, typer.Option("--all", help="Also the rules that are out, each with its reason.")] = False,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Name the rules that policies/detection.yml makes active, and why."""
    found = active.active(state, policy.read())
    some = [one for one in found.verdicts if every or one.active]
    has = held.of(state)
    if as_json:
        print_json(
            {
                "release": has and has.current.model_dump(mode="json"),
                "rules": [
                    {
                        "id": one.rule.id,
                        "title": one.rule.title,
                        "level": one.rule.level,
                        "status": one.rule.status,
                        "origin": one.origin,
                        "active": one.active,
                        "raises_alerts": one.raises,
                        "reason": say(one.why),
                    }
                    for one in some
                ],
                "unknown": found.unknown,
            }
        )
        return
    for one in some:
        mark = "+" if one.active else "-"
        words = (one.rule.level or "-", one.rule.status or "-", f"{one.rule.title} ({one.rule.id})")
        typer.echo(visible(f"{mark} {'  '.join(words)}: {say(one.why)}"))
    ours, theirs = (
        sum(one.active and one.origin == origin for one in found.verdicts) for origin in ("ours", "imported")
    )
    version = has.current.version or has.current.archive if has else None
    told = Both(
        f"使うルール {ours + theirs:,}件: 同梱 {ours:,}件、取込み {theirs:,}件({version or '未取込み'})。"
        f"全 {len(found.verdicts):,}件",
        f"{ours + theirs:,} of {len(found.verdicts):,} rules are active: {ours:,} of ours, "
        f"{theirs:,} imported ({version or 'no release yet'})",
    )
    typer.echo(visible(say(told)))
    tell_unknown(found)


def tell_unknown(found: Active) -> None:
    """Name the ids that the policy names and no rule has."""
    for key in found.unknown:
        told = Both(
            f"policies/detection.yml の {key} というルールはない",
            f"policies/detection.yml names {key}, which is no rule",
        )
        typer.echo(visible(say(told)), err=True)
