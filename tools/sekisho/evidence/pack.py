"""The evidence pack: one zip for an auditor. The same chain, ledger and policies give the same bytes."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal

from sekisho.core.files import unwritten
from sekisho.core.state import State
from sekisho.evidence import keys, policies, report, statement
from sekisho.evidence.chain import Chain, Head
from sekisho.evidence.picture import CheckText, draw
from sekisho.policy import controls

_EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's first moment: file times would make two builds differ


@dataclass(frozen=True)
class Built:
    """A pack that was written. `digest` is SHA-256 of the file."""

    path: Path
    digest: str
    head: Head
    policies: str
    fingerprint: str


def build(state: State, out: Path, *, lang: Literal["ja", "en"], checks: Mapping[str, CheckText]) -> Built:
    """Write the pack of `state` to `out`; the report in it is in Japanese or English.

    Raises:
        Refused: the chain itself is not sound; no pack is made of it.
        Missing: the file cannot be written; an older one is left as it was.
    """
    with state.transaction():  # ledger and chain of one moment; nobody else writes meanwhile
        chain = Chain(state)
        head = chain.verify()
        key = keys.signer_of(state, create=True)
        signer = key.public_key()
        rules = policies.files()
        picture = draw(state, checks, controls.read(), policies.digest(rules), keys.fingerprint(signer))
        contents = {
            "report.html": report.render(picture, lang).encode(),
            "ledger.json": json.dumps(picture.ledger(), ensure_ascii=False, indent=1).encode(),
            **{f"policies/{name}": raw for name, raw in rules.items()},
        }
        names = {name: sha256(raw).hexdigest() for name, raw in contents.items()}
        names |= {f"records/{one.seq:06d}.json": one.digest for one in chain.records()}
        manifest = statement.seal(
            key,
            statement.PACK,
            [{"name": name, "digest": {"sha256": digest}} for name, digest in names.items()],
            {
                "head": {"length": head.length, "digest": head.digest},
                "as_of": picture.as_of,
                "policies": picture.policies,
                "ledger": picture.summary(),
                "language": lang,
                "signer": {"fingerprint": picture.signer, "public_key": keys.public_pem(signer)},
            },
        )
        with _replacing(out) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, raw in {"manifest.json": manifest, **contents}.items():
                _add(archive, name, raw)
            for one in chain.records():
                _add(archive, f"records/{one.seq:06d}.json", one.envelope)
    return Built(out, _digest(out), head, picture.policies, picture.signer)


def _add(archive: zipfile.ZipFile, name: str, raw: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, raw, compresslevel=6)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A stream whose content becomes `path` in one step when all of it is written."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            temporary = Path(stream.name)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        total = sha256()
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()
