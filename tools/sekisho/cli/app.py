"""The front door: `sekisho COMMAND`."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module

import typer
from rich.console import Console
from typer.exceptions import TyperException

from sekisho.cli.options import asked
from sekisho.core.errors import SekishoError

app = typer.Typer(
    name="sekisho",
    help="Moves local-government terminals between network tiers in gated waves, and proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


# Which module has which command: only the one that is asked for is loaded, so that each starts quickly.
_MODULES = {
    **{name: name for name in ("auditor", "fleet", "identity", "lab", "network", "pack", "plan")},
    **dict.fromkeys(("migrate", "status", "rollback", "release"), "wave"),
}


def _register(asked: str | None) -> None:
    wanted = [_MODULES[asked]] if asked in _MODULES else sorted(set(_MODULES.values()))
    for module in wanted:
        import_module(f"sekisho.cli.{module}").register(app)


def main() -> None:
    """Run the command line; every failure is told in words, with an exit code that says whose turn it is."""
    _register(sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except SekishoError as error:
        Console(stderr=True, soft_wrap=True).print(f"sekisho: {error.told(asked())}", markup=False, highlight=False)
        sys.exit(error.exit_code)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except TyperException as error:
        if told := error.format_message().replace(
            "Value error, ", ""
        ):  # empty when the help was asked for by giving nothing
            Console(stderr=True, soft_wrap=True).print(
                f"sekisho: {told}\n  → see the command's --help", markup=False, highlight=False
            )
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        Console(stderr=True).print("sekisho: stopped; run the same command again to continue")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        if os.environ.get("SEKISHO_DEBUG"):
            traceback.print_exc()
        Console(stderr=True, soft_wrap=True).print(
            f"sekisho: a fault in sekisho itself ({type(error).__name__}: {error})\n"
            "  → nothing more was done; run it again with SEKISHO_DEBUG=1 and report what it prints",
            markup=False,
            highlight=False,
        )
        sys.exit(1)
