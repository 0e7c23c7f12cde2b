"""The append-only chain of signed records. Each names the digest of the one before it; the head names them all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekisho.core.clock import stamp
from sekisho.core.errors import Missing, Refused
from sekisho.core.language import Bilingual, Both, told
from sekisho.core.state import State, Transaction
from sekisho.evidence import keys, statement

GENESIS = "0" * 64  # what the first record names as the one before it, and the head of an empty chain
_RESTORE = Both(
    "この環境の記録に依拠しないこと。以前の証跡パックで確かめた控えから復元する",
    "do not rely on this state; restore it from a backup that an earlier pack confirms",
)
_KEYS = Both("keys/ を控えから復元する", "restore keys/ from your backup")


class Head(NamedTuple):
    """The end of the chain: how many records, and the digest of the last."""

    length: int
    digest: str


@dataclass(frozen=True)
class Record:
    """One record as it was stored. `subject` is {"type", "name"}; `body` is what was recorded."""

    seq: int
    kind: str
    at: str
    subject: dict[str, str]
    body: dict[str, Any]
    previous: str
    digest: str
    envelope: bytes


class Chain:
    """The records of one state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._key: Ed25519PrivateKey | None = None

    def append(self, tx: Transaction, kind: str, subject: Mapping[str, str], predicate: Mapping[str, Any]) -> int:
        """Sign `predicate` and add it inside the transaction `tx`; the record's sequence number, from 1.

        `kind` is a lower-case dotted word; `subject` is {"type": ..., "name": ...}.

        Raises:
            Missing: there are records, but the key that signed them is gone.
            Refused: the key is not the one that signed the last record.
        """
        row = tx.run("SELECT seq, digest, envelope FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        seq, previous = (int(row["seq"]) + 1, str(row["digest"])) if row else (1, GENESIS)
        key = self._signer(bytes(row["envelope"]) if row else None)
        at = stamp()
        named = {"type": str(subject["type"]), "name": str(subject["name"])}
        sealed = statement.seal(
            key,
            statement.RECORD,
            [resource(named)],
            {"seq": seq, "previous": previous, "kind": kind, "at": at, "subject": named, "body": predicate},
        )
        tx.run(
            "INSERT INTO record (seq, kind, at, subject, envelope, digest) VALUES (?, ?, ?, ?, ?, ?)",
            (seq, kind, at, json.dumps(named, ensure_ascii=False), sealed, statement.digest(sealed)),
        )
        return seq

    def head(self) -> Head:
        """The end of the chain as it is now."""
        rows = self._state.read("SELECT seq, digest FROM record ORDER BY seq DESC LIMIT 1")
        return Head(int(rows[0]["seq"]), str(rows[0]["digest"])) if rows else Head(0, GENESIS)

    def digest_at(self, seq: int) -> str | None:
        """The digest of record `seq`: what the head was when the chain was that long. None beyond its end."""
        if seq == 0:
            return GENESIS
        rows = self._state.read("SELECT digest FROM record WHERE seq = ?", (seq,))
        return str(rows[0]["digest"]) if rows else None

    def records(self, kind: str | None = None, *, after: int = 0) -> Iterator[Record]:
        """The records in order, unchecked, a few hundred in memory at a time; `kind` may end in `.*`."""
        pattern = "*" if kind is None else kind
        while rows := self._state.read(
            "SELECT seq, envelope FROM record WHERE seq > ? AND kind GLOB ? ORDER BY seq LIMIT 500", (after, pattern)
        ):
            for row in rows:
                yield read(bytes(row["envelope"]), record_name(row["seq"]))
            after = int(rows[-1]["seq"])

    def verify(self) -> Head:
        """Walk the whole chain: every signature, number, link and index column.

        Raises:
            Refused: naming the first record that is wrong, and what is wrong with it.
            Missing: there are records and no public key to check them with.
        """
        head, key, after = Head(0, GENESIS), self.public_key(), 0
        while rows := self._state.read("SELECT * FROM record WHERE seq > ? ORDER BY seq LIMIT 500", (after,)):
            for row in rows:
                where, raw, expected = record_name(row["seq"]), bytes(row["envelope"]), head.length + 1
                if row["seq"] != expected:
                    raise Refused(
                        Both(f"記録{expected}番が取り除かれている", f"record {expected} was removed"), _RESTORE
                    )
                if key is None:
                    raise Missing(
                        Both(
                            "keys/signer.pub がなく、記録を検証できない",
                            "keys/signer.pub is not there, so no record can be checked",
                        ),
                        Both("keys/ を復元する", "restore keys/"),
                    )
                statement.check(raw, key, where)
                one = read(raw, where)
                index = (row["seq"], row["kind"], row["at"], json.loads(row["subject"]), row["digest"])
                if index != (one.seq, one.kind, one.at, one.subject, one.digest):
                    raise Refused(
                        Both(
                            f"{where.ja}: データベースの内容が署名された内容と違う",
                            f"{where.en}: what the database says of it is not what was signed",
                        ),
                        _RESTORE,
                    )
                if one.previous != head.digest:
                    raise Refused(
                        Both(
                            f"{where.ja}: 記録{head.length}番に続いていない",
                            f"{where.en}: it does not follow record {head.length}",
                        ),
                        _RESTORE,
                    )
                head = Head(one.seq, one.digest)
            after = head.length
        return head

    def public_key(self) -> Ed25519PublicKey | None:
        """The key that checks our records; None before the first record."""
        path = self._state.path("keys", "signer.pub")
        return keys.read_public(path) if path.exists() else None

    def _signer(self, last: bytes | None) -> Ed25519PrivateKey:
        if self._key is None:
            key = keys.signer_of(self._state, create=True)
            ours = keys.fingerprint(key.public_key())
            if last is not None and statement.unseal(last, Both("最後の記録", "the last record")).keyid != ours:
                raise Refused(
                    Both(
                        "keys/signer は最後の記録に署名した鍵ではない",
                        "keys/signer is not the key that signed the last record",
                    ),
                    _KEYS,
                )
            self._key = key
        return self._key


def record_name(seq: int) -> Both:
    """What a record is called in a message."""
    return Both(f"記録{seq}番", f"record {seq}")


def resource(subject: Mapping[str, str]) -> dict[str, Any]:
    """An in-toto ResourceDescriptor. A terminal is no artifact: its digest is that of its name."""
    name = f"{subject['type']}/{subject['name']}"
    return {"name": name, "digest": {"sha256": sha256(name.encode()).hexdigest()}}


def read(envelope: bytes, where: str | Bilingual) -> Record:
    """A stored envelope as a record, unchecked.

    Raises:
        BadInput: it is no record.
        Refused: a field of it is missing or of another type.
    """
    opened = statement.unseal(envelope, where)
    said = opened.predicate
    try:
        if opened.predicate_type != statement.RECORD:
            raise TypeError(opened.predicate_type)  # noqa: TRY301 - one answer for every fault
        return Record(
            seq=int(said["seq"]),
            kind=str(said["kind"]),
            at=str(said["at"]),
            subject={"type": str(said["subject"]["type"]), "name": str(said["subject"]["name"])},
            body=dict(said["body"]),
            previous=str(said["previous"]),
            digest=statement.digest(envelope),
            envelope=envelope,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            Both(
                f"{told(where, 'ja')}: 当方の記録ではない ({error})",
                f"{told(where, 'en')}: not a record of ours ({error})",
            ),
            _RESTORE,
        ) from error
