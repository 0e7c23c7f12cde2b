"""What a command shows while it works, on standard error, so that standard output stays for results."""

from __future__ import annotations

import sys
from typing import Self

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from sekisho.cli.options import say, screen, visible
from sekisho.core.language import Bilingual

_WIDTH = 16


def bars(*columns: ProgressColumn, quiet: bool, stderr: bool = True) -> Progress:
    """Bars of these columns; `quiet` shows none."""
    return Progress(*columns, console=screen(stderr=stderr), disable=quiet, redirect_stdout=sys.stdout.isatty())


class Bar:
    """One piece of work: how far it is, its time, and words. Where nobody knows how much there is, only time and words.

    As a context: it is shown inside, on a terminal; a file would get nothing but its last line. Where results appear on
    the same screen meanwhile, `among` tells it, and `print` keeps them and the bar apart.
    """

    def __init__(self, *, quiet: bool = False, endless: bool = False, among: bool = False) -> None:
        how_far = () if endless else (BarColumn(bar_width=_WIDTH), TaskProgressColumn())
        columns = (SpinnerColumn(), *how_far, Elapsed(), TextColumn("{task.description}"))
        self._among = among and not quiet
        there = (sys.stdout if self._among else sys.stderr).isatty()
        self._bars = bars(*columns, quiet=quiet or not there, stderr=not self._among)
        self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, words: str | Bilingual, *, done: int = 0, size: int | None = None) -> None:
        """Say what is being done, and how much of it is."""
        self._bars.update(self._task, description=escape(visible(say(words))), completed=done, total=size)

    def end(self) -> None:
        """All of it is done."""
        task = self._bars.tasks[self._task]
        self._bars.update(self._task, completed=task.total or 0)

    def tell(self, what: str | Bilingual) -> None:
        """Tell something above the bar, which stays."""
        self._bars.console.print(say(what), markup=False)

    def print(self, line: str) -> None:
        """Print a line of a result on standard output."""
        if self._among:
            self._bars.console.print(line, markup=False, soft_wrap=True)
        else:
            typer.echo(line)
