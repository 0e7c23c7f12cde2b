"""in-toto Statements (v1) in DSSE envelopes, signed with Ed25519 through securesystemslib.

The bytes that are signed are the bytes that are stored: nothing is ever serialised a second time, so no canonical form
is needed. https://github.com/in-toto/attestation/tree/main/spec/v1, https://github.com/secure-systems-lab/dsse
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from sekisho.core.errors import BadInput, Refused
from sekisho.core.language import Bilingual, Both, told
from sekisho.core.phrases import both
from sekisho.evidence.keys import fingerprint

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
RECORD = "urn:sekisho:record:v1"
PACK = "urn:sekisho:pack:v1"
COUNTERSIGNATURE = "urn:sekisho:countersignature:v1"


@dataclass(frozen=True)
class Opened:
    """What an envelope holds. `keyid` is only a claim until `check` has been asked."""

    keyid: str
    predicate_type: str
    subject: list[dict[str, Any]]
    predicate: dict[str, Any]


def digest(envelope: bytes) -> str:
    """SHA-256 of the stored bytes, in hex: the name by which the next record knows this one."""
    return sha256(envelope).hexdigest()


def seal(
    key: Ed25519PrivateKey, predicate_type: str, subject: Sequence[Mapping[str, Any]], predicate: Mapping[str, Any]
) -> bytes:
    """A signed Statement, as the bytes to store.

    Raises:
        ValueError: the predicate holds what JSON cannot (NaN).
        TypeError: likewise (an object of our own).
    """
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": predicate_type, "predicate": predicate}
    payload = json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    public = key.public_key()
    envelope.sign(CryptoSigner(key, SSlibKey.from_crypto(public, keyid=fingerprint(public))))
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode()


def unseal(raw: bytes, where: str | Bilingual) -> Opened:
    """Read an envelope without checking its signature.

    Raises:
        BadInput: it is no envelope with a Statement.
    """
    try:
        envelope = Envelope.from_dict(json.loads(raw))
        statement = json.loads(envelope.payload)
        (keyid,) = envelope.signatures
        subject, predicate = statement["subject"], statement["predicate"]
        known = envelope.payload_type == PAYLOAD_TYPE and statement["_type"] == STATEMENT
        if not (known and isinstance(predicate, dict) and isinstance(subject, list)):
            raise ValueError("another kind of document")  # noqa: TRY301 - one answer for every fault
        return Opened(keyid, str(statement["predicateType"]), subject, predicate)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error, SigningError) as error:
        raise BadInput(
            Both(
                f"{told(where, 'ja')}: 署名された文書ではない ({both(str(error)).ja})",
                f"{told(where, 'en')}: not a signed statement ({error})",
            ),
            Both("sekishoが書いたファイルを指定する", "name the file that sekisho wrote"),
        ) from error


def check(raw: bytes, key: Ed25519PublicKey, where: str | Bilingual) -> Opened:
    """Read an envelope whose signature `key` made.

    Raises:
        BadInput: it is no envelope with a Statement.
        Refused: it is not signed by `key`.
    """
    opened = unseal(raw, where)
    try:
        Envelope.from_dict(json.loads(raw)).verify([SSlibKey.from_crypto(key, keyid=fingerprint(key))], 1)
    except SigningError as error:
        raise Refused(
            Both(
                f"{told(where, 'ja')}: 鍵 {fingerprint(key)} による署名ではない",
                f"{told(where, 'en')}: the signature is not by the key {fingerprint(key)}",
            ),
            Both("依拠しないこと", "do not rely on it"),
        ) from error
    return opened
