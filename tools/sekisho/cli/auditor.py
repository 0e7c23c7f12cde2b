"""`sekisho auditor`: the keys of outside auditors, and their countersignatures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_STATE, JsonOption, StateOption, print_json
from sekisho.core.state import open_state
from sekisho.evidence import auditors, countersignature, keys
from sekisho.fleet import operator

app = typer.Typer(no_args_is_help=True, help="Outside auditors: their keys and countersignatures.")


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="auditor")


@app.command()
def keygen(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The private key's file; OUT.pub is made beside.")],
) -> None:
    """Make an auditor's key pair, on the auditor's own PC."""
    key = keys.generate(out)
    typer.echo(f"{out} (keep it) and {out}.pub (give it)\nfingerprint {keys.fingerprint(key.public_key())}")


@app.command()
def add(
    key: Annotated[Path, typer.Argument(metavar="PUBLIC_KEY", help="The auditor's .pub file.")],
    name: Annotated[str, typer.Option(help="The auditor, as reports shall name him.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Accept countersignatures by this key from now on. Voids the earlier ones."""
    one = auditors.add(open_state(state, create=True), keys.read_public(key), name=name, who=operator.name())
    typer.echo(f"record {one.added}: {one.name} {one.fingerprint}\ncountersignatures on earlier packs no longer hold")


@app.command()
def remove(
    fingerprint: Annotated[str, typer.Argument(help="The key's fingerprint, or its beginning.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Accept this key no more. Voids the earlier countersignatures."""
    one = auditors.remove(open_state(state), fingerprint, who=operator.name())
    typer.echo(f"record {one.removed}: {one.name} {one.fingerprint} was removed")


@app.command("list")
def list_(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Show every auditor key that ever was, and whether an outside confirmation holds now."""
    opened = open_state(state)
    found, reasons = auditors.every(opened), countersignature.standing(opened)
    if as_json:
        print_json(
            {
                "auditors": [asdict(one) for one in found],
                "confirmed": not reasons,
                "reasons": [one.as_json() for one in reasons],
            }
        )
        return
    for one in found:
        until = "" if one.removed is None else f", removed in record {one.removed}"
        typer.echo(f"{one.fingerprint}  {one.name} (added in record {one.added}{until})")
    typer.echo(
        "\n".join(["no outside confirmation holds:", *map(str, reasons)])
        if reasons
        else "an outside confirmation holds"
    )


@app.command()
def accept(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sekisho pack countersign` wrote.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Put an auditor's countersignature on the chain."""
    one, seq = countersignature.accept(open_state(state), file)
    if as_json:
        print_json({"record": seq, **asdict(one)})
        return
    typer.echo(f"record {seq}: verdict {one.verdict}, for the chain up to record {one.length}, until {one.expires}")
