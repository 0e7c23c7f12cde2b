"""Progress on the terminal: a bar a stage, no wall of output."""

from __future__ import annotations

from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from sekisho.cli.bar import bars
from sekisho.cli.options import say
from sekisho.migration.wave import STAGES


class Progress:
    """Listens to a run (`migration.wave.Listener`). On standard error, so that standard output stays for results."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._bars = bars(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[now]}"),
            quiet=quiet,
        )
        self._verbose = verbose
        self._current = None if quiet else self._bars.add_task("…", total=None, now="", visible=False)
        self._last: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Finish the bars; what is printed afterwards stands below them."""
        self._finish()
        self._bars.stop()

    def stage(self, name: str, size: int) -> None:
        """A stage begins for `size` terminals."""
        self._finish()
        self._last = (name, size)
        self._current = self._bars.add_task(say(STAGES[name]), total=size, now="")

    def task(self, name: str) -> None:
        """Ansible begins a task."""
        if self._current is not None:
            self._bars.update(self._current, now=name[:50])
        if self._verbose:
            self._bars.console.print(f"    {name}", markup=False, highlight=False)

    def step(self) -> None:
        """One terminal is done."""
        if self._current is not None:
            self._bars.advance(self._current)

    def _finish(self) -> None:
        if self._current is not None and self._last is not None:
            self._bars.update(self._current, completed=self._last[1], now="")
            self._last = None
