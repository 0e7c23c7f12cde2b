"""`sekisho pack`: the evidence pack, built, verified and countersigned."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, print_json
from sekisho.core.files import write_atomic
from sekisho.core.state import open_state
from sekisho.evidence import countersignature, keys, pack, verifier
from sekisho.evidence.picture import CheckText
from sekisho.migration import checks

app = typer.Typer(no_args_is_help=True, help="Evidence packs: build, verify, countersign.")
PackArgument = Annotated[Path, typer.Argument(metavar="PACK", help="The pack, a zip file.")]


class Verdict(StrEnum):
    """What the auditor says."""

    YES = "yes"
    NO = "no"


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="pack")


@app.command()
def build(
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.", dir_okay=False)] = Path("pack.zip"),
    lang: LangOption = DEFAULT_LANG,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Write the evidence pack: report, signed records, policies and a signed manifest."""
    texts = {one.id: CheckText(one.ja, one.en, one.controls, one.asks) for one in checks.catalogue().values()}
    built = pack.build(open_state(state), out, lang=lang.value, checks=texts)
    if as_json:
        print_json(
            {
                "pack": str(built.path),
                "digest": built.digest,
                "records": built.head.length,
                "head": built.head.digest,
                "policies": built.policies,
                "signer": built.fingerprint,
            }
        )
        return
    typer.echo(f"{built.path}: {built.head.length} records\nsha256   {built.digest}\nhead     {built.head.digest}")
    typer.echo(f"policies {built.policies}\nsigner   {built.fingerprint}")


@app.command()
def verify(
    file: PackArgument,
    trust: Annotated[Path | None, typer.Option(help="The signer's public key, got by another way.")] = None,
    after: Annotated[Path | None, typer.Option(help="A pack that you were given before.")] = None,
) -> None:
    """Check a pack offline, with the same code as the stand-alone audit/verify_pack.py."""
    options = [*(["--trust", str(trust)] if trust else []), *(["--after", str(after)] if after else [])]
    raise typer.Exit(verifier.run([*options, "--", str(file)]))


@app.command()
def countersign(
    file: PackArgument,
    key: Annotated[Path, typer.Option(help="The auditor's private key.", dir_okay=False)],
    verdict: Annotated[Verdict, typer.Option(help="Whether terminals may cross.")],
    expires: Annotated[datetime, typer.Option(help="The last day on which it holds.", formats=["%Y-%m-%d"])],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.", dir_okay=False)],
) -> None:
    """Verify a pack and sign a verdict on it. For an auditor's own PC: needs no state."""
    raw = countersignature.sign(file, keys.read_private(key), verdict=verdict.value, expires=expires.date())
    write_atomic(out, raw)
    typer.echo(
        f"{out}: {verdict.value}, until {expires.date()}; the toolkit takes it by `sekisho auditor accept {out}`"
    )
