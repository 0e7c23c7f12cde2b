"""An auditor's countersignature on a pack: made on the auditor's PC, put on our chain, asked for by the entry gate."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sekisho.core.clock import JAPAN, now, stamp
from sekisho.core.errors import BadInput, Missing, Refused
from sekisho.core.language import Bilingual, Both, told
from sekisho.core.phrases import both
from sekisho.core.reason import Reason, because
from sekisho.core.sentences import Code
from sekisho.core.state import State
from sekisho.evidence import auditors, keys, policies, statement, verifier
from sekisho.evidence.chain import Chain

_LIMIT = 64 * 1024
_NAME_IT = Both("監査人から届いたファイルを指定する", "name the file that the auditor sent")
_OURS = Both("副署", "the countersignature")
_UNCHANGED = Both("何も変更していない", "nothing was changed")
Verdict = Literal["yes", "no"]


@dataclass(frozen=True)
class Countersignature:
    """What the auditor signed. `length` and `head`: the chain's end in the pack. It holds to the end of `expires`."""

    pack: str
    signer: str
    length: int
    head: str
    policies: str
    verdict: Verdict
    expires: str
    at: str

    def lapsed(self) -> bool:
        """Whether its last day, in Japan, has passed."""
        last = datetime.combine(date.fromisoformat(self.expires), time.max, tzinfo=JAPAN)
        return now() > last.astimezone(UTC)


def sign(pack: Path, key: Ed25519PrivateKey, *, verdict: Verdict, expires: date) -> bytes:
    """Verify `pack` and countersign it; the bytes of the countersignature. Needs no state.

    Raises:
        Refused: the pack is not sound, or `key` is the one that signed it.
        BadInput: the pack cannot be read, or `expires` is past.
    """
    if expires < now().astimezone(JAPAN).date():
        raise BadInput(
            Both(f"{expires} は過ぎている", f"{expires} is past"),
            Both("副署が有効な最後の日を指定する", "give the last day on which the countersignature shall hold"),
        )
    found = verifier.verify(pack)
    if keys.fingerprint(key.public_key()) == found.fingerprint:
        raise Refused(
            Both("この鍵は証跡パック自体に署名した鍵", "this key signed the pack itself"),
            Both("監査人自身の鍵で副署する", "countersign with the auditor's own key"),
        )
    one = Countersignature(
        pack=found.digest,
        signer=found.fingerprint,
        length=found.length,
        head=found.head,
        policies=found.policies,
        verdict=verdict,
        expires=expires.isoformat(),
        at=stamp(),
    )
    return seal(one, key, pack.name) + b"\n"


def seal(one: Countersignature, key: Ed25519PrivateKey, name: str) -> bytes:
    """Sign a countersignature on the pack `name`."""
    subject = [{"name": name, "digest": {"sha256": one.pack}}]
    return statement.seal(key, statement.COUNTERSIGNATURE, subject, asdict(one))


def accept(state: State, file: Path) -> tuple[Countersignature, int]:
    """Put a countersignature on the chain; it, and its record's number. A verdict of no is accepted too: it stands.

    Raises:
        Missing: there is no such file.
        BadInput: it is no countersignature, or is on the chain already.
        Refused: it is not by a current auditor key, or not of a pack of this state.
    """
    try:
        if file.stat().st_size > _LIMIT:
            raise BadInput(
                Both(f"{file}: 副署にしては大きすぎる", f"{file}: too large for a countersignature"), _NAME_IT
            )
        raw = file.read_bytes().strip()
    except FileNotFoundError as error:
        raise Missing(Both(f"{file} がない", f"{file} is not there"), _NAME_IT) from error
    except OSError as error:
        why = both(str(error.strerror))
        raise BadInput(Both(f"{file}: {why.ja}", f"{file}: {why.en}"), _NAME_IT) from error
    with state.transaction() as tx:
        one, keyid = read(raw, str(file))
        reasons = _foreign(state, one, keyid, raw)
        if reasons:
            raise Refused(Both(f"{file}: 受理できない", f"{file} was not accepted"), _UNCHANGED, reasons=reasons)
        name = statement.digest(raw)
        if state.read("SELECT 1 FROM countersignature WHERE digest = ?", (name,)):
            raise BadInput(Both(f"{file}: 受理済み", f"{file} is on the chain already"), _UNCHANGED)
        facts = {**asdict(one), "auditor": keyid, "envelope_sha256": name, "envelope": json.loads(raw)}
        seq = Chain(state).append(tx, "countersignature.accepted", {"type": "fleet", "name": "pack"}, facts)
        tx.run("INSERT INTO countersignature (digest, envelope, record) VALUES (?, ?, ?)", (name, raw, seq))
    return one, seq


def standing(state: State) -> list[Reason]:
    """Why no outside confirmation holds now; empty when one does. The newest accepted one decides.

    Raises:
        Refused: the stored countersignature is not what was accepted.
    """
    accepted = list(Chain(state).records("countersignature.accepted"))
    if not accepted:
        return [because(Code.NO_COUNTERSIGNATURE)]
    name = str(accepted[-1].body.get("envelope_sha256"))
    rows = state.read("SELECT envelope FROM countersignature WHERE digest = ?", (name,))
    if not rows or statement.digest(bytes(rows[0]["envelope"])) != name:
        return [because(Code.COUNTERSIGNATURE_REPLACED, record=accepted[-1].seq)]
    raw = bytes(rows[0]["envelope"])
    one, keyid = read(raw, _OURS)
    reasons = _foreign(state, one, keyid, raw)
    if one.verdict != "yes":
        reasons.append(because(Code.VERDICT_NO))
    if one.lapsed():
        reasons.append(because(Code.COUNTERSIGNATURE_EXPIRED, day=one.expires))
    if one.policies != policies.digest():
        reasons.append(because(Code.POLICIES_CHANGED))
    return reasons


def _foreign(state: State, one: Countersignature, keyid: str, raw: bytes) -> list[Reason]:
    """Why a countersignature is not one of a current auditor on a pack of this state."""
    reasons: list[Reason] = []
    auditor = next((other for other in auditors.current(state) if other.fingerprint == keyid), None)
    if auditor is None:
        reasons.append(because(Code.NOT_AN_AUDITOR, key=keyid))
    else:
        statement.check(raw, keys.parse_public(auditor.public_key, auditor.name), _OURS)
    if keyid in signers(state):
        reasons.append(because(Code.OUR_OWN_KEY))
    chain = Chain(state)
    ours = chain.public_key()
    if ours is None or one.signer != keys.fingerprint(ours):
        reasons.append(because(Code.FOREIGN_PACK))
    if one.length == 0:
        reasons.append(because(Code.EMPTY_PACK))
    elif chain.digest_at(one.length) != one.head:
        reasons.append(because(Code.HEAD_ELSEWHERE))
    changed = auditors.last_change(state)
    if one.length < changed:
        reasons.append(because(Code.AUDITORS_CHANGED, record=changed))
    return reasons


def signers(state: State) -> set[str]:
    """The fingerprints of every key that has signed records of ours."""
    rows = state.read("SELECT DISTINCT json_extract(CAST(envelope AS TEXT), '$.signatures[0].keyid') AS k FROM record")
    public = Chain(state).public_key()
    return {str(row["k"]) for row in rows} | ({keys.fingerprint(public)} if public else set())


def read(raw: bytes, where: str | Bilingual) -> tuple[Countersignature, str]:
    """A countersignature, and the fingerprint of the key that it claims; the signature is not checked.

    Raises:
        BadInput: it is none.
    """
    opened = statement.unseal(raw, where)
    try:
        if opened.predicate_type != statement.COUNTERSIGNATURE:
            raise ValueError(opened.predicate_type)  # noqa: TRY301 - one answer for every fault
        said: dict[str, Any] = opened.predicate
        one = Countersignature(**said)
        date.fromisoformat(one.expires)
        if not isinstance(one.length, int) or one.length < 0 or one.verdict not in {"yes", "no"}:
            raise ValueError("a field is of another kind")  # noqa: TRY301 - one answer for every fault
    except (TypeError, ValueError) as error:
        raise BadInput(
            Both(
                f"{told(where, 'ja')}: 副署ではない ({both(str(error)).ja})",
                f"{told(where, 'en')}: not a countersignature ({error})",
            ),
            _NAME_IT,
        ) from error
    return one, opened.keyid
