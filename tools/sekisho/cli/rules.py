"""`sekisho rules`: what the rules are, which of them cannot be used, and how others may use them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sekisho.cli import blind
from sekisho.cli.choosing import names
from sekisho.cli.export import export
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
from sekisho.cli.taking import take
from sekisho.core import folders
from sekisho.core.language import Both
from sekisho.detection import active, load, trial
from sekisho.policy import detection
from sekisho.policy import telemetry as policy

rules = typer.Typer(help="Sigma rules.", no_args_is_help=True)
rules.command("export")(export)


def register(app: typer.Typer) -> None:
    """Add the commands to the front door."""
    rules.command("import")(take)
    rules.command("list")(names)
    app.add_typer(rules, name="rules")


@rules.command("check")
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders of rules; those of policies/detection.yml.", metavar="[PATH...]"),
    ] = None,
    from_store: Annotated[
        bool, typer.Option("--store", help="Also look through the store for rules that can match nothing in it.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if a rule cannot be used, or is blind.")
    ] = False,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Read every rule, and name each that cannot be evaluated, or that is blind, with its reason."""
    wanted = detection.read()
    found = load.load(paths) if paths else active.active(state, wanted).ruleset
    looked = blind.look(found, state, wanted.blind_after) if from_store else None
    levels = Counter(rule.level or "-" for rule in found.rules)
    if as_json:
        print_json(
            {
                "usable": len(found.rules),
                "correlations": len(found.correlations),
                "levels": levels,
                "unusable": [
                    {"path": one.path, "id": one.id, "title": one.title, "reason": say(one.reason)}
                    for one in found.unusable
                ],
                **({"store": blind.as_json(looked)} if looked else {}),
            }
        )
    else:
        for one in found.unusable:
            typer.echo(visible(f"{one.path}: {one.title or one.id or ''}: {say(one.reason)}"))
        if looked:
            blind.tell(looked)
        typer.echo(
            say(
                Both(
                    f"使えるルール {len(found.rules):,}件、相関 {len(found.correlations):,}件、"
                    f"使えないもの {len(found.unusable):,}件",
                    f"{len(found.rules):,} rules and {len(found.correlations):,} correlations can be used, "
                    f"{len(found.unusable):,} cannot",
                )
            )
        )
    if strict and (found.unusable or (looked and looked.blind)):
        raise typer.Exit(1)


@rules.command("test")
def try_them(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders of rules; ours (detection_rules/).", metavar="[PATH...]")
    ] = None,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Try rules on the events beside them: what each must hit, and what it must miss. Exit code 1 if one fails."""
    verdict = trial.tried(paths or [folders.data("detection_rules")], ZoneInfo(policy.read().zone))
    if as_json:
        faults = [{"rule": one.rule, "reason": say(one.what)} for one in verdict.faults]
        print_json({"rules": verdict.rules, "faults": faults})
    else:
        for one in verdict.faults:
            typer.echo(visible(f"{one.rule}: {say(one.what)}"))
        failed = len({one.rule for one in verdict.faults})
        typer.echo(
            say(
                Both(
                    f"試したルール {len(verdict.rules):,}件、不合格 {failed:,}件",
                    f"{len(verdict.rules):,} rules tried, {failed:,} failed",
                )
            )
        )
    if verdict.faults:
        raise typer.Exit(1)
