"""The front door: `sekisho COMMAND`."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec

import click
import typer
from rich.console import Console

from sekisho.core.errors import SekishoError

app = typer.Typer(
    name="sekisho",
    help="Moves local-government terminals between network tiers in gated waves, and proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


_GROUPS = ("auditor", "fleet", "identity", "lab", "network", "pack", "wave")


def _register() -> None:
    for group in _GROUPS:
        if find_spec(f"sekisho.cli.{group}"):
            import_module(f"sekisho.cli.{group}").register(app)


def main() -> None:
    """Run the command line; every failure is told in words, with an exit code that says whose turn it is."""
    _register()
    try:
        app(standalone_mode=False)
    except SekishoError as error:
        Console(stderr=True, soft_wrap=True).print(f"sekisho: {error}", markup=False, highlight=False)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
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
