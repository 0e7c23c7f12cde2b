"""`sekisho identity`: the device CA and the RADIUS server's table."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sekisho.cli.options import DEFAULT_STATE, JsonOption, StateOption, print_json
from sekisho.core import sshkey
from sekisho.core.errors import BadInput
from sekisho.core.state import open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.identity import enrol as enrolment
from sekisho.identity.assignments import Assignments, differences
from sekisho.identity.ca import Authority
from sekisho.policy import tiers as policy

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")]
app = typer.Typer(help="The device CA, and the RADIUS server's table of assignments.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="identity")


@app.command()
def init(state: StateOption = DEFAULT_STATE) -> None:
    """Make the device CA and the key of the RADIUS server's one command, unless they are there."""
    folder = open_state(state).folder
    Authority(folder)
    sshkey.ensure(folder / "ssh" / "assign_ed25519", comment="sekisho-assign")


@app.command()
def enrol(
    requests: Annotated[
        typer.FileText,
        typer.Argument(help="A JSON object of host names and their PEM requests, or - for standard input."),
    ],
    folder: Annotated[Path, typer.Argument(help="Where NAME.crt are kept.", file_okay=False)],
    state: StateOption = DEFAULT_STATE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sign the terminals' requests, and tell the RADIUS server their certificates."""
    opened, asked = open_state(state), _requests(requests.read())
    if dry_run:
        due = enrolment.due(opened, asked, folder)
        print_json(due) if as_json else typer.echo(f"{len(due)} terminals would get a new certificate")
        return
    serials = enrolment.enrol(opened, asked, folder, record=Chain(opened).append)
    print_json(serials) if as_json else typer.echo(f"{len(serials)} terminals are enrolled")


@app.command("sign-server")
def sign_server(
    name: Annotated[str, typer.Argument(help="The server's name, as in its request.")],
    request: Annotated[typer.FileBinaryRead, typer.Argument(help="The request's file, or - for standard input.")],
    certificate: Annotated[Path, typer.Argument(help="Where the certificate is put.")],
    state: StateOption = DEFAULT_STATE,
    dry_run: DryRunOption = False,
) -> None:
    """Sign a server's request, unless the certificate that is there still fits it."""
    new = enrolment.sign_server(open_state(state), request.read(), certificate, name, dry_run=dry_run)
    done = "would be signed" if dry_run else "is signed"
    typer.echo(f"{name}: a new certificate {done}" if new else f"{name}: the certificate is kept")


@app.command("let-in-devices")
def let_in_devices(
    state: StateOption = DEFAULT_STATE,
    dry_run: DryRunOption = False,
) -> None:
    """Tell the RADIUS server which devices without 802.1X it lets in (policies/devices.yml)."""
    opened = open_state(state)
    count, changed = enrolment.let_in_devices(opened, record=Chain(opened).append, dry_run=dry_run)
    typer.echo(f"{count} devices without 802.1X are let in" + ("" if changed else "; nothing changed"))


@app.command()
def table(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """The RADIUS server's table, as it is now."""
    rows = Assignments(open_state(state)).table()
    if as_json:
        print_json([row.__dict__ for row in rows])
        return
    shown = Table("terminal", "vlan", "lease", "left (s)", "port", "revoked")
    for row in rows:
        left = "" if row.left is None else f"{row.left:.0f}"
        shown.add_row(row.cn, str(row.vlan), str(row.lease), left, row.nas or "-", "yes" if row.revoked else "")
    Console().print(shown)


@app.command()
def compare(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Name every difference between the RADIUS table and the ledger; exit code 1 if there is one."""
    opened = open_state(state)
    found = [one.what for one in differences(Ledger(opened).terminals(), Assignments(opened).table(), policy.read())]
    print_json([asdict(one) for one in found]) if as_json else typer.echo(
        "\n".join(map(str, found)) or "RADIUS and the ledger agree"
    )
    if found:
        raise typer.Exit(1)


def _requests(text: str) -> dict[str, str]:
    try:
        asked = json.loads(text)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not all(isinstance(one, str) for one in asked.values()):
        raise BadInput("the requests are not a JSON object of names and texts", "playbooks/terminals.yml makes them")
    return asked
