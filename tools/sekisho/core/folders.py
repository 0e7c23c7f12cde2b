"""Where the declarative folders are: the user's own, else the checkout's, else those in the wheel."""

from __future__ import annotations

import os
from pathlib import Path

from sekisho.core.errors import Missing
from sekisho.core.language import Both

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]


def data(name: str) -> Path:
    """The folder `name` (policies, playbooks, audit, inventory or detection_rules).

    `SEKISHO_HOME` names a folder whose own folders of these names override ours.

    Raises:
        Missing: there is no such folder anywhere.
    """
    home = os.environ.get("SEKISHO_HOME")
    candidates = [Path(home) / name] if home else []
    candidates += [_CHECKOUT / name, _PACKAGE / "data" / name]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = ", ".join(map(str, candidates))
    raise Missing(
        Both(f"フォルダ {name}/ が見つからない", f"the folder {name}/ was not found"),
        Both(f"探した場所: {looked}", f"looked at: {looked}"),
    )


def inventory() -> Path:
    """The folder of hosts.yml and the terminal ledger's source: the user's own, else the example prefecture."""
    own = data("inventory")
    return own if (own / "hosts.yml").is_file() else own / "example"
