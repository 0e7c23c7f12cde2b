"""`sekisho lab`: blank machines, cables and an access switch, to try the real thing on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sekisho.cli.options import DEFAULT_STATE, JsonOption, StateOption, print_json, screen
from sekisho.core import folders
from sekisho.core.errors import BadInput
from sekisho.lab import lifecycle as labs
from sekisho.lab.topology import PlugMode

app = typer.Typer(help="A lab of blank machines behind a real 802.1X switch (needs root).", no_args_is_help=True)

NameOption = Annotated[str, typer.Option("--name", help="The lab's name; labs with different names do not meet.")]
Machines = Annotated[list[str], typer.Argument(metavar="MACHINE...", help="Machines, such as pc-0001.")]


def register(root: typer.Typer) -> None:
    """Add the group to the front door."""
    root.add_typer(app, name="lab")


@app.command()
def up(
    name: NameOption = "demo",
    topology: Annotated[Path | None, typer.Option(help="The lab's plan; default: the example prefecture's.")] = None,
    terminals: Annotated[int, typer.Option(min=0, max=512, help="Further staff terminals, pc-0101 onwards.")] = 0,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Boot the lab's machines; the first time builds the base that they stand on."""
    plan = topology or folders.data("inventory") / "example" / "lab.yml"
    columns = (TextColumn("{task.description:<46.46}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=screen(stderr=True), transient=True) as progress:
        task = progress.add_task("base", total=1.0)
        lab = labs.up(
            name, state, plan, terminals, lambda what, part: progress.update(task, description=what, completed=part)
        )
    typer.echo(f"lab {name} is up: {len(lab.machines())} machines (state {lab.state})")


@app.command()
def down(name: NameOption = "demo") -> None:
    """Remove everything that `up` made, also of one that crashed. Keys in the state folder stay."""
    typer.echo(f"lab {name} is down" if labs.down(name) else f"lab {name} was not up; nothing to do")


@app.command()
def status(name: NameOption = "demo", as_json: JsonOption = False) -> None:
    """Machines and switch ports as they are now."""
    told = labs.find(name).status()
    if as_json:
        print_json(told)
        return
    table = Table("machine", "kind", "power", "cable", "port", "vlan", "mac", box=None)
    for machine in told["machines"]:
        port = told["ports"].get(machine["name"], {})
        opened = "" if not port else "open" if port["vlan"] else "closed"
        table.add_row(
            machine["name"], machine["kind"], "on" if machine["running"] else "off", port.get("plug", ""), opened,
            str(port.get("vlan", "") or ""), port.get("mac") or "",
        )  # fmt: skip
    screen().print(table)
    if told["switch"] != "answers":
        typer.echo(told["switch"])


@app.command()
def plug(
    words: Annotated[list[str], typer.Argument(metavar="MACHINE... bench|desk|out", help="Terminals, then where.")],
    name: NameOption = "demo",
) -> None:
    """Put terminals' cables to the kitting bench or a desk, or pull them out."""
    *machines, mode = words
    if mode not in {"bench", "desk", "out"} or not machines:
        raise BadInput("name terminals and then one of bench, desk, out", "sekisho lab plug pc-0001 pc-0002 desk")
    where: PlugMode = "bench" if mode == "bench" else "desk" if mode == "desk" else "out"
    labs.find(name).plug(machines, where)


@app.command()
def power(
    words: Annotated[list[str], typer.Argument(metavar="MACHINE... on|off", help="Machines, then on or off.")],
    name: NameOption = "demo",
) -> None:
    """Switch machines on, or off as if by the plug; the disk is kept."""
    *machines, wanted = words
    if wanted not in {"on", "off"} or not machines:
        raise BadInput("name machines and then on or off", "sekisho lab power pc-0001 off")
    labs.find(name).power(machines, on=wanted == "on")


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    machine: Annotated[str, typer.Argument(help="A machine, or `control`.")],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run there, as root.")],
    name: NameOption = "demo",
) -> None:
    """Run a command on a machine, or in control's namespace with this machine's files."""
    argv = labs.find(name).command(machine, command)
    os.execvp(argv[0], argv)  # noqa: S606 - the command takes our place, terminal and exit code
