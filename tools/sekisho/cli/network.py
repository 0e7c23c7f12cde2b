"""`sekisho network`: the core router, held against the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, print_json, say
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.core.state import open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet import hosts
from sekisho.network import proof, router, ruleset
from sekisho.policy import tiers as policy

app = typer.Typer(help="The core router's addresses and routes, held against policies/tiers.yml.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="network")


@app.command("compile")
def compile_(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; default: standard output.")] = None,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Compile policies/tiers.yml into the core router's nftables ruleset, and prove it no wider than the policy."""
    tiers = policy.read()
    known = hosts.read(tiers)
    text = ruleset.compile_ruleset(tiers, known)
    proof.prove(text, tiers, known)  # whatever is generated is parsed back before anybody can load it
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(output, text)


@app.command()
def show(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Read the router; exit code 1 if it differs from the policy."""
    facts = router.reading(open_state(state))
    if as_json:
        print_json(facts)
    else:
        typer.echo(facts["running"])
        typer.echo(
            "\n".join(facts["differs"]) or say(Both("中継ルータは方針のとおり", "the router is as the policy says"))
        )
    if facts["differs"]:
        raise typer.Exit(1)


@app.command()
def apply(
    state: StateOption = DEFAULT_STATE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read, and say which lines would be set.")] = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Lead the router to the policy, and put both readings on the chain."""
    opened = open_state(state)
    if dry_run:
        facts = {"lines": router.differences(opened)}
    else:
        facts = router.apply(opened)
        with opened.transaction() as tx:
            Chain(opened).append(tx, "router.applied", {"type": "device", "name": "core"}, facts)
    if as_json:
        print_json(facts)
        return
    typer.echo("\n".join(facts["lines"]) or say(Both("変更の必要なし", "nothing to change")))
