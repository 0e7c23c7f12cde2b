"""`sekisho pack`: the evidence pack, built, verified and countersigned."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, print_json, say
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
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
    size = Both(f"記録{built.head.length}件", f"{built.head.length} records")
    typer.echo(f"{built.path}: {say(size)}")
    for word, digest in (
        (Both("パックのSHA-256", "sha256"), built.digest),
        (Both("記録の末尾 (head)", "head"), built.head.digest),
        (Both("方針のダイジェスト", "policies"), built.policies),
        (Both("署名鍵の指紋", "signer"), built.fingerprint),
    ):
        typer.echo(say(Both(f"{word.ja}: {digest}", f"{word.en:<8} {digest}")))


@app.command()
def verify(
    file: PackArgument,
    trust: Annotated[Path | None, typer.Option(help="The signer's public key, got by another way.")] = None,
    after: Annotated[Path | None, typer.Option(help="A pack that you were given before.")] = None,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
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
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Verify a pack and sign a verdict on it. For an auditor's own PC: needs no state."""
    raw = countersignature.sign(file, keys.read_private(key), verdict=verdict.value, expires=expires.date())
    write_atomic(out, raw)
    word = Both("可", "yes") if verdict is Verdict.YES else Both("否", "no")
    typer.echo(
        say(
            Both(
                f"{out}: 判定「{word.ja}」、有効期限 {expires.date()}。`sekisho auditor accept {out}` で受理する",
                f"{out}: {word.en}, until {expires.date()}; the toolkit takes it by `sekisho auditor accept {out}`",
            )
        )
    )
