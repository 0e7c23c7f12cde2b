"""The append-only chain: each record is an in-toto Statement in a DSSE envelope that names the one before it.

What is signed is stored as it was signed, byte by byte, so no canonical form is needed. A chain proves nothing against
its own producer; therefore its head is handed out (packs, countersignatures).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope

from sekisho.core.clock import stamp
from sekisho.core.errors import Refused
from sekisho.core.state import State, Transaction
from sekisho.evidence import sign

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://sekisho.invalid/record/v1"
PAYLOAD = "application/vnd.in-toto+json"
GENESIS = "0" * 64


@dataclass(frozen=True)
class Record:
    """One record as it is stored. `digest` is SHA-256 of `envelope`, in hexadecimal."""

    seq: int
    kind: str
    at: str
    subject: dict[str, str]
    body: dict[str, Any]
    previous: str
    envelope: bytes
    digest: str


class Chain:
    """The chain of a state folder; its signing key is made at first use."""

    def __init__(self, state: State) -> None:
        self._state = state
        path = state.path("keys", "signer")
        key = sign.load(path) if path.exists() else sign.make(path)
        self._signer = sign.signer(key)
        self.public = key.public_key()

    def append(self, tx: Transaction, kind: str, subject: Mapping[str, str], predicate: Mapping[str, Any]) -> int:
        """Add a record inside an open transaction; its sequence number, from 1.

        `kind` is a dotted word such as `gate.result`; `subject` has `type` and `name`; `predicate` is any JSON.

        Raises:
            SekishoError: it cannot be written; the transaction then leaves nothing behind.
        """
        last = tx.run("SELECT seq, digest FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        seq, previous = (last["seq"] + 1, last["digest"]) if last else (1, GENESIS)
        at = stamp()
        name = f"{subject['type']}/{subject['name']}"
        statement = {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": sha256(name.encode()).hexdigest()}}],
            "predicateType": PREDICATE,
            "predicate": {
                "seq": seq,
                "previous": previous,
                "kind": kind,
                "at": at,
                "subject": dict(subject),
                "body": dict(predicate),
            },
        }
        stored = seal(statement, self._signer)
        digest = sha256(stored).hexdigest()
        tx.run(
            "INSERT INTO record (seq, kind, at, subject, envelope, digest) VALUES (?, ?, ?, ?, ?, ?)",
            (seq, kind, at, json.dumps(dict(subject), ensure_ascii=False), stored, digest),
        )
        return seq

    def head(self) -> tuple[int, str]:
        """The last record's sequence number and digest; 0 and zeros when there is none."""
        rows = self._state.read("SELECT seq, digest FROM record ORDER BY seq DESC LIMIT 1")
        return (int(rows[0]["seq"]), str(rows[0]["digest"])) if rows else (0, GENESIS)

    def records(self, kind: str | None = None) -> Iterator[Record]:
        """All records in order, or those of one kind."""
        for row in self._state.read("SELECT envelope FROM record WHERE ? IN (kind, '') ORDER BY seq", (kind or "",)):
            yield parse(row["envelope"])

    def verify(self) -> int:
        """Walk the chain: signatures, links and order; the number of records.

        Raises:
            Refused: with the first record that is not as it was written, and what is wrong with it.
        """
        previous, count = GENESIS, 0
        for row in self._state.read("SELECT seq, envelope, digest FROM record ORDER BY seq"):
            count += 1
            where = f"record {row['seq']}"
            if row["seq"] != count:
                raise Refused(f"record {count} was removed", "restore the state folder from its backup")
            if sha256(row["envelope"]).hexdigest() != row["digest"]:
                raise Refused(f"{where} was changed", "restore the state folder from its backup")
            opened(row["envelope"], self.public, where)
            record = parse(row["envelope"])
            if record.seq != count or record.previous != previous:
                raise Refused(f"{where} does not follow the one before it", "restore the state folder from its backup")
            previous = record.digest
        return count


def seal(statement: Mapping[str, Any], signer: Any) -> bytes:  # noqa: ANN401 - securesystemslib is untyped
    """Sign a statement; the envelope's bytes as they are to be stored."""
    payload = json.dumps(statement, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    envelope = Envelope(payload, PAYLOAD, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode()


def opened(stored: bytes, key: Ed25519PublicKey, where: str) -> dict[str, Any]:
    """The statement inside an envelope that `key` signed.

    Raises:
        Refused: the envelope is broken, or `key` did not sign it; `where` names it.
    """
    try:
        content = json.loads(stored)
        payload = base64.b64decode(content["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in content["signatures"]]
        kind = str(content["payloadType"])
        statement = json.loads(payload)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{where} is not a signed record") from error
    if len(signatures) != 1 or not isinstance(statement, dict):
        raise Refused(f"{where} is not a signed record")
    signed = b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)
    try:
        key.verify(signatures[0], signed)
    except InvalidSignature as error:
        raise Refused(f"{where} bears a signature that is not of the key {sign.fingerprint(key)[:16]}…") from error
    return statement


def parse(stored: bytes) -> Record:
    """A stored envelope as a record, without looking at its signature."""
    content = json.loads(base64.b64decode(json.loads(stored)["payload"]))["predicate"]
    return Record(
        seq=int(content["seq"]),
        kind=str(content["kind"]),
        at=str(content["at"]),
        subject=dict(content["subject"]),
        body=dict(content["body"]),
        previous=str(content["previous"]),
        envelope=bytes(stored),
        digest=sha256(stored).hexdigest(),
    )
