"""The front door: `sekisho COMMAND`."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from importlib import import_module

import typer
from typer.exceptions import TyperException

from sekisho.cli.options import asked, hear, say, screen, spread
from sekisho.core.errors import Missing, SekishoError
from sekisho.core.language import Both
from sekisho.core.phrases import both

_INTERRUPTED = 130
_STOPPED = Both("中断した。同じ命令をもう一度実行すると続きから行う", "stopped; run the same command again to continue")
app = typer.Typer(
    name="sekisho",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(help="Moves local-government terminals between network tiers in gated waves, and proves it.")
def _group() -> None:
    """Keep the commands' names, even when only one is loaded: typer would take it for the whole program."""


# Which module has which command: only the one that is asked for is loaded, so that each starts quickly.
_NAMESAKES = "alerts auditor detect events fleet identity ingest lab network pack plan render rules ship store watch"
_MODULES = {
    **{name: name for name in _NAMESAKES.split()},
    **dict.fromkeys(("migrate", "status"), "wave"),
    **dict.fromkeys(("rollback", "release", "defer"), "undo"),
}


def _register(asked: str | None) -> None:
    wanted = [_MODULES[asked]] if asked in _MODULES else sorted(set(_MODULES.values()))
    for module in wanted:
        import_module(f"sekisho.cli.{module}").register(app)


def main() -> None:
    """Run the command line; every failure is told in words, with an exit code that says whose turn it is."""
    hear(sys.argv)
    try:
        gc.disable()  # what is loaded stays; to look it through for cycles takes a tenth of the time of loading it
        _register(sys.argv[1] if len(sys.argv) > 1 else None)
        gc.freeze()
        gc.enable()
        code = app(spread(sys.argv[1:]), standalone_mode=False)
        if code == _INTERRUPTED:  # Typer makes that of Ctrl-C
            _print(say(_STOPPED))
        sys.exit(code if isinstance(code, int) else 0)
    except SystemExit as stop:
        sys.exit(0 if isinstance(stop.__context__, BrokenPipeError) else stop.code)  # Typer makes a failure of it
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _print(say(_STOPPED))
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        sys.exit(_tell(error))


def _tell(error: Exception) -> int:
    """Tell a failure; the exit code that it asks for."""
    if isinstance(error, SekishoError):
        _print(error.told(asked()))
        return error.exit_code
    if isinstance(error, TyperException):
        if told := say(
            both(error.format_message().replace("Value error, ", ""))
        ):  # empty when nothing but the help was asked for
            _print(told + say(Both("\n  → 使い方は --help で確認する", "\n  → see the command's --help")))
        return 2
    if os.environ.get("SEKISHO_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, OSError):
        where, why = error.filename or say(Both("この機械", "this machine")), say(both(str(error.strerror or error)))
        advice = Both(
            "パス、その所有者・権限、空き容量を確認する", "check the path, its owner and rights, and the free space"
        )
        _print(f"{where}: {why}\n  → {say(advice)}")
        return Missing.exit_code
    fault = Both("sekisho自体の不具合", "a fault in sekisho itself")
    advice = Both(
        "これ以上は何もしていない。SEKISHO_DEBUG=1 を付けてもう一度実行し、表示された内容を報告する",
        "nothing more was done; run it again with SEKISHO_DEBUG=1 and report what it prints",
    )
    _print(f"{say(fault)} ({type(error).__name__}: {error})\n  → {say(advice)}")
    return 1


def _print(words: str) -> None:
    screen(stderr=True, soft_wrap=True).print(f"sekisho: {words}", markup=False)
