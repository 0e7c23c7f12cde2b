"""`sekisho render`: files for machines that no playbook reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sekisho.cli.options import DEFAULT_LANG, LangOption, say
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.policy import telemetry as policy
from sekisho.telemetry import windows

app = typer.Typer(help="Files for machines that no playbook reaches, made from the policy.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="render")


@app.callback()
def group() -> None:
    """Files for machines that no playbook reaches, made from the policy."""


@app.command("windows-logging")
def windows_logging(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder; it is made if it is not there.")],
    collector: Annotated[str, typer.Option(help="The collector's name, as its certificate has it.")] = "collector",
    lang: LangOption = DEFAULT_LANG,  # noqa: ARG001 - heard by `options.hear`
) -> None:
    """Settings of Sysmon and Winlogbeat for Windows terminals, from policies/telemetry.yml."""
    output.mkdir(parents=True, exist_ok=True)
    files = windows.rendered(policy.read().windows, collector)
    for name, text in files.items():
        write_atomic(output / name, text)
    told = f"{output}: {', '.join(files)}"
    typer.echo(say(Both(f"作成した: {told}(Windows上では未確認)", f"made: {told} (not run on Windows yet)")))
