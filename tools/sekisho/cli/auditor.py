"""`sekisho auditor`: the keys of outside auditors, and their countersignatures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_LANG, DEFAULT_STATE, JsonOption, LangOption, StateOption, print_json, say
from sekisho.core.language import Both
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
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Make an auditor's key pair, on the auditor's own PC."""
    key = keys.generate(out)
    name = keys.fingerprint(key.public_key())
    typer.echo(
        say(
            Both(
                f"{out}(手元に保管する)と {out}.pub(渡す)\n鍵の指紋 {name}",
                f"{out} (keep it) and {out}.pub (give it)\nfingerprint {name}",
            )
        )
    )


@app.command()
def add(
    key: Annotated[Path, typer.Argument(metavar="PUBLIC_KEY", help="The auditor's .pub file.")],
    name: Annotated[str, typer.Option(help="The auditor, as reports shall name him.")],
    state: StateOption = DEFAULT_STATE,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Accept countersignatures by this key from now on. Voids the earlier ones."""
    one = auditors.add(open_state(state, create=True), keys.read_public(key), name=name, who=operator.name())
    typer.echo(
        say(
            Both(
                f"記録{one.added}番: {one.name} {one.fingerprint}\nこれより前の証跡パックへの副署は無効になった",
                f"record {one.added}: {one.name} {one.fingerprint}\ncountersignatures on earlier packs no longer hold",
            )
        )
    )


@app.command()
def remove(
    fingerprint: Annotated[str, typer.Argument(help="The key's fingerprint, or its beginning.")],
    state: StateOption = DEFAULT_STATE,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Accept this key no more. Voids the earlier countersignatures."""
    one = auditors.remove(open_state(state), fingerprint, who=operator.name())
    typer.echo(
        say(
            Both(
                f"記録{one.removed}番: {one.name} {one.fingerprint} を取り消した",
                f"record {one.removed}: {one.name} {one.fingerprint} was removed",
            )
        )
    )


@app.command("list")
def list_(
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
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
        when = Both(f"記録{one.added}番で登録", f"added in record {one.added}")
        if one.removed is not None:
            when = Both(f"{when.ja}、記録{one.removed}番で取消し", f"{when.en}, removed in record {one.removed}")
        typer.echo(f"{one.fingerprint}  {one.name} ({say(when)})")
    if reasons:
        typer.echo(say(Both("有効な外部確認がない:", "no outside confirmation holds:")))
        typer.echo("\n".join(map(say, reasons)))
    else:
        typer.echo(say(Both("外部確認は有効", "an outside confirmation holds")))


@app.command()
def accept(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sekisho pack countersign` wrote.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Put an auditor's countersignature on the chain."""
    one, seq = countersignature.accept(open_state(state), file)
    if as_json:
        print_json({"record": seq, **asdict(one)})
        return
    verdict = Both("可", "yes") if one.verdict == "yes" else Both("否", "no")
    typer.echo(
        say(
            Both(
                f"記録{seq}番: 判定「{verdict.ja}」、対象は記録{one.length}番まで、有効期限 {one.expires}",
                f"record {seq}: verdict {verdict.en}, for the chain up to record {one.length}, until {one.expires}",
            )
        )
    )
