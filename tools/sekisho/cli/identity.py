"""`sekisho identity`: the device CA and the RADIUS server's table."""

from __future__ import annotations

import json
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli import tables
from sekisho.cli.options import (
    DEFAULT_LANG,
    DEFAULT_STATE,
    JsonOption,
    LangOption,
    StateOption,
    print_json,
    say,
    screen,
)
from sekisho.core import sshkey
from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.core.state import open_state
from sekisho.evidence.chain import Chain
from sekisho.fleet.ledger import Ledger
from sekisho.identity import accounts
from sekisho.identity import enrol as enrolment
from sekisho.identity.assignments import Assignments, differences
from sekisho.identity.ca import Authority, Service
from sekisho.policy import tiers as policy

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")]
app = typer.Typer(help="The device CA, and the RADIUS server's table of assignments.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="identity")


@app.command()
def init(
    state: StateOption = DEFAULT_STATE,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Make the device CA and the keys of the RADIUS server's and the collector's one command, unless they are there."""
    folder = open_state(state).folder
    Authority(folder)
    sshkey.ensure(folder / "ssh" / "assign_ed25519", comment="sekisho-assign")
    sshkey.ensure(folder / "ssh" / "spool_ed25519", comment="sekisho-spool")


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
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Sign the terminals' requests, and tell the RADIUS server their certificates."""
    opened, asked = open_state(state), _requests(requests.read())
    if dry_run:
        due = enrolment.due(opened, asked, folder)
        if as_json:
            print_json(due)
            return
        count = len(due)
        typer.echo(say(Both(f"新しい証明書を要する端末 {count}台", f"{count} terminals would get a new certificate")))
        return
    serials = enrolment.enrol(opened, asked, folder, record=Chain(opened).append)
    if as_json:
        print_json(serials)
        return
    typer.echo(say(Both(f"端末{len(serials)}台の証明書を登録済み", f"{len(serials)} terminals are enrolled")))


@app.command("sign-server")
def sign_server(
    name: Annotated[str, typer.Argument(help="The server's name, as in its request.")],
    request: Annotated[typer.FileBinaryRead, typer.Argument(help="The request's file, or - for standard input.")],
    certificate: Annotated[Path, typer.Argument(help="Where the certificate is put.")],
    addresses: Annotated[
        list[IPv4Address] | None, typer.Option("--address", parser=IPv4Address, help="An address it is called by, too.")
    ] = None,
    peer: Annotated[bool, typer.Option("--peer", help="It opens connections to its like as well.")] = False,
    client: Annotated[bool, typer.Option("--client", help="It only opens connections, such as for its logs.")] = False,
    state: StateOption = DEFAULT_STATE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Sign a server's request, unless the certificate that is there still fits it."""
    if client and (peer or addresses):
        raise BadInput(
            Both("--client は --peer・--address と併用できない", "--client goes with neither --peer nor --address"),
            Both("接続するだけなら --client のみを書く", "for one that only opens connections, say --client alone"),
        )
    service = None if client else Service(tuple(addresses or ()), peer)
    new = enrolment.sign_server(open_state(state), request.read(), certificate, name, service, dry_run=dry_run)
    if as_json:
        print_json({"changed": new})
        return
    if not new:
        typer.echo(say(Both(f"{name}: 今の証明書のまま", f"{name}: the certificate is kept")))
    elif dry_run:
        typer.echo(say(Both(f"{name}: 新しい証明書が要る", f"{name}: a new certificate would be signed")))
    else:
        typer.echo(say(Both(f"{name}: 新しい証明書を発行", f"{name}: a new certificate is signed")))


@app.command("accounts")
def make_accounts(
    service: Annotated[str, typer.Argument(help="The service, such as elasticsearch.")],
    names: Annotated[list[str], typer.Argument(help="Its accounts.")],
    state: StateOption = DEFAULT_STATE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Make a service's passwords, unless they are there, in the state folder (secrets/SERVICE/NAME), with hashes."""
    folder = open_state(state).folder / "secrets" / service
    made = {name: accounts.account(folder, name, dry_run=dry_run) for name in names}
    new = [name for name, (_, changed) in made.items() if changed]
    if as_json:
        print_json({"changed": bool(new), "hashes": {name: hashed for name, (hashed, _) in made.items()}})
        return
    shown = ", ".join(new) or "-"
    typer.echo(say(Both(f"新しいパスワード: {shown}({folder})", f"new passwords: {shown} ({folder})")))


@app.command("let-in-devices")
def let_in_devices(
    state: StateOption = DEFAULT_STATE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Tell the RADIUS server which devices without 802.1X it lets in (policies/devices.yml)."""
    opened = open_state(state)
    count, changed = enrolment.let_in_devices(opened, record=Chain(opened).append, dry_run=dry_run)
    if as_json:
        print_json({"devices": count, "changed": changed})
        return
    told = Both(f"802.1X非対応機器{count}台を許可", f"{count} devices without 802.1X are let in")
    typer.echo(say(told if changed else Both(f"{told.ja}。変更なし", f"{told.en}; nothing changed")))


@app.command()
def table(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """The RADIUS server's table, as it is now."""
    rows = Assignments(open_state(state)).table()
    if as_json:
        print_json([row.__dict__ for row in rows])
        return
    shown = tables.table(
        Both("端末", "terminal"),
        Both("VLAN", "vlan"),
        Both("割当て番号", "lease"),
        Both("残り(秒)", "left (s)"),
        Both("接続先", "port"),
        Both("失効", "revoked"),
    )
    for row in rows:
        left = "" if row.left is None else f"{row.left:.0f}"
        revoked = say(Both("失効", "yes")) if row.revoked else ""
        shown.add_row(row.cn, str(row.vlan), str(row.lease), left, row.nas or "-", revoked)
    screen().print(shown)


@app.command()
def compare(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Name every difference between the RADIUS table and the ledger; exit code 1 if there is one."""
    opened = open_state(state)
    found = [one.what for one in differences(Ledger(opened).terminals(), Assignments(opened).table(), policy.read())]
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        agree = Both("認証サーバと台帳は一致している", "RADIUS and the ledger agree")
        typer.echo("\n".join(map(say, found)) or say(agree))
    if found:
        raise typer.Exit(1)


def _requests(text: str) -> dict[str, str]:
    try:
        asked = json.loads(text)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not all(isinstance(one, str) for one in asked.values()):
        raise BadInput(
            Both("証明書要求が、名前と内容の組のJSONではない", "the requests are not a JSON object of names and texts"),
            Both("playbooks/terminals.yml が作る", "playbooks/terminals.yml makes them"),
        )
    return asked
