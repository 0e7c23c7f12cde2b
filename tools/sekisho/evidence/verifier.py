"""`audit/verify_pack.py`, the program that an auditor reads: what we check packs with is the same code."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sekisho.core import folders
from sekisho.core.errors import BadInput, Missing, Refused
from sekisho.core.language import Both


class Verified(Protocol):
    """What a sound pack says of itself; `digest` is SHA-256 of the zip file."""

    digest: str
    fingerprint: str
    length: int
    head: str
    policies: str
    predicate: dict[str, Any]
    records: tuple[str, ...]


@cache
def program() -> ModuleType:
    """The stand-alone verifier as a module.

    Raises:
        Missing: it is not where it belongs.
    """
    path = folders.data("audit") / "verify_pack.py"
    spec = importlib.util.spec_from_file_location("sekisho_verify_pack", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Missing(
            Both(f"{path} がない", f"{path} is not there"),
            Both("復元するか、sekishoを導入し直す", "restore it, or install sekisho again"),
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def verify(pack: Path, *, trust: Ed25519PublicKey | None = None, after: Path | None = None) -> Verified:
    """Check a pack.

    Raises:
        Refused: it is not sound; the message names the record.
        BadInput: it cannot be read.
    """
    code = program()
    try:
        found: Verified = code.verify(pack, trust=trust, after=after)
    except code.WrongError as error:
        raise Refused(
            Both(f"証跡パック {pack} は整合していない\n{error}", f"{pack} is not sound\n{error}"),
            Both("この証跡パックに依拠しないこと", "do not rely on it"),
        ) from error
    except (code.UnreadableError, OSError) as error:
        raise BadInput(
            Both(f"検証できない: {error}", str(error)),
            Both("`sekisho pack build` が書いた証跡パックを指定する", "name a pack that `sekisho pack build` wrote"),
        ) from error
    return found


def run(arguments: list[str]) -> int:
    """Run the verifier's own command line; its exit status."""
    return int(program().main(arguments))
