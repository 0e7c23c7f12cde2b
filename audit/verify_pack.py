#!/usr/bin/env python3
"""Checks an evidence pack offline, on an auditor's own PC. It needs Python 3.11 and `cryptography`, nothing of ours.

    python3 verify_pack.py PACK [--trust PUBLIC_KEY] [--after EARLIER_PACK]

Exit status: 0 the pack is sound; 1 it is not, and the last line names the record and what is wrong with it; 2 it cannot
be read. What is checked:

1. The manifest is signed, by the key of --trust if that is given, and names every file of the pack by its SHA-256.
2. Every record is signed by the same key, bears its number, and names the SHA-256 of the record before it.
3. The manifest's head is the last record, and its policies digest is that of the policies in the pack.
4. With --after: every record of the earlier pack stands unchanged at the same place in this one.

Formats: in-toto Statement v1 in a DSSE envelope, Ed25519. The signed bytes are those that are stored.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

GENESIS = "0" * 64  # what the first record names as the one before it
MANIFEST = "manifest.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT, RECORD, PACK = "https://in-toto.io/Statement/v1", "urn:sekisho:record:v1", "urn:sekisho:pack:v1"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
MAX_FILES, MAX_FILE, MAX_TOTAL = 1_000_000, 256 * 2**20, 8 * 2**30  # against archives made to exhaust the reader
JAPANESE = {
    "changed": "変更されています",
    "removed": "取り除かれています",
    "added": "付け加えられています",
    "reordered": "順序が入れ替えられています",
}


class WrongError(Exception):
    """The pack is not sound; the message names the record."""


class UnreadableError(Exception):
    """This is no pack, or one made to harm its reader."""


@dataclass(frozen=True)
class Verified:
    """What a sound pack says. `digest` is that of the zip file, by which a countersignature names it."""

    digest: str
    fingerprint: str
    length: int
    head: str
    policies: str
    predicate: dict[str, Any]
    records: tuple[str, ...]


def wrong(name: str, what: str, why: str = "") -> WrongError:
    """The fault `what` (changed, removed, added, reordered) of a record or file."""
    number = re.fullmatch(r"records/0*([0-9]+)\.json", name)
    told = f"record {number[1]}" if number else name
    return WrongError(f"{told}: {what} ({told.replace('record', '記録')} は{JAPANESE[what]}){': ' if why else ''}{why}")


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key: `openssl pkey -pubin -in KEY -outform DER | sha256sum`."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def public_key(pem: bytes, where: str) -> Ed25519PublicKey:
    """The Ed25519 public key in PEM text."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"{where}: PEM形式の公開鍵ではありません / no public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnreadableError(f"{where}: Ed25519の鍵ではありません / not an Ed25519 key")
    return key


class Archive:
    """The files of a zip, checked for what a hostile one would try before any is unpacked; none is written to disk."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self.names: list[str] = []
        total = 0
        for entry in self._zip.infolist():
            total += entry.file_size
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if not NAME.fullmatch(entry.filename) or len(entry.filename) > 200 or kind not in (0, stat.S_IFREG):
                raise UnreadableError(f"{entry.filename[:200]!r}: パックにない名前です / it has no place in a pack")
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UnreadableError(
                    f"{entry.filename}: 暗号化または特殊な圧縮です / encrypted, or packed in an unusual way"
                )
            if entry.file_size > MAX_FILE or total > MAX_TOTAL or len(self.names) >= MAX_FILES:
                raise UnreadableError(f"{entry.filename}: 大きすぎます / too large for a pack")
            self.names.append(entry.filename)
        seen: set[str] = set()
        for name in self.names:
            if name.casefold() in seen:
                raise UnreadableError(f"{name}: 同じ名前が二つあります / two files with this name")
            seen.add(name.casefold())

    def read(self, name: str) -> bytes:
        """A file's bytes; a file that does not fit the archive's own checksum was changed."""
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise wrong(name, "changed", str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def statement(raw: bytes, key: Ed25519PublicKey | None, kind: str, name: str) -> dict[str, Any]:
    """The Statement in an envelope that `key` signed (None: do not check); else WrongError names `name` as changed."""
    try:
        envelope = json.loads(raw, object_pairs_hook=_no_twins)
        payload = base64.b64decode(envelope["payload"], validate=True)
        (signature,) = envelope["signatures"]
        signed = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
        if key is not None:
            key.verify(base64.b64decode(signature["sig"], validate=True), signed)
        content = json.loads(payload, object_pairs_hook=_no_twins)
        if (envelope["payloadType"], content["_type"], content["predicateType"]) != (PAYLOAD_TYPE, STATEMENT, kind):
            raise ValueError("another kind of document")  # noqa: TRY301 - one answer for every fault
        return dict(content)
    except InvalidSignature as error:
        raise wrong(name, "changed", "署名が合いません / its signature does not fit") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise wrong(name, "changed", f"署名された文書ではありません / not a signed statement ({error})") from error


def in_order(names: Iterable[str]) -> list[str]:
    """The records among the names, by their numbers."""
    return sorted((name for name in names if name.startswith("records/")), key=lambda name: (len(name), name))


def compare(listed: dict[str, str], found: dict[str, str]) -> None:
    """Hold the files that are there against those that the manifest names; the first that differs is wrong.

    Both map name to SHA-256. Records are compared as a sequence, so that a shift is told from an exchange.
    """
    there, more = set(found.values()), len(in_order(found)) - len(in_order(listed))
    for place in in_order(listed | found):
        want, have = listed.get(place), found.get(place)
        if want == have:
            continue
        if have is None:
            raise wrong(place, "reordered" if want in there else "removed")
        if want is None or (more > 0 and want in there):
            raise wrong(place, "added", "目録にありません / the manifest does not name it")
        if more < 0 and want not in there:
            raise wrong(place, "removed")
        raise wrong(place, "reordered" if want in there else "changed")
    for name in sorted(listed | found):
        if listed.get(name) != found.get(name):
            raise wrong(name, "added" if name not in listed else "removed" if name not in found else "changed")


def walk(archive: Archive, places: Sequence[str], key: Ed25519PublicKey) -> list[str]:
    """Follow the chain from its first record; the records' SHA-256 in order."""
    chain: list[str] = []
    for number, place in enumerate(places, 1):
        if place != f"records/{number:06d}.json":
            raise wrong(f"records/{number:06d}.json", "removed")
        raw = archive.read(place)
        content = statement(raw, key, RECORD, place)["predicate"]
        if not isinstance(content, dict) or content.get("seq") != number:
            said = content.get("seq") if isinstance(content, dict) else None
            later = isinstance(said, int) and said > number
            why = f"記録 {said} があります / record {said} stands in its place"
            raise wrong(place, "removed" if later else "reordered", why)
        if content.get("previous") != (chain[-1] if chain else GENESIS):
            before = places[number - 2] if chain else place
            why = f"記録 {number} の前は別の記録です / record {number} was written after another record than this one"
            raise wrong(before, "changed", why)
        chain.append(sha256(raw).hexdigest())
    return chain


def verify(path: Path, *, trust: Ed25519PublicKey | None = None, after: Path | None = None) -> Verified:
    """Check the pack at `path`. Raises WrongError or UnreadableError."""
    try:
        archive = Archive(path)
        with path.open("rb") as stream:
            digest = sha256()
            while block := stream.read(2**20):
                digest.update(block)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: {error}") from error
    try:
        return _verify(archive, digest.hexdigest(), trust, after)
    finally:
        archive.close()


def extends(chain: Sequence[str], after: Path, key: Ed25519PublicKey) -> None:
    """Every record of the earlier pack must stand at the same place in the chain."""
    try:
        earlier = verify(after, trust=key).records
    except WrongError as error:
        raise WrongError(f"earlier pack ({after}): {error}") from error
    for number, was in enumerate(earlier, 1):
        now = chain[number - 1] if number <= len(chain) else None
        if now != was:
            what = "changed" if now else "removed"
            raise wrong(f"records/{number}.json", what, "以前のパックと違います / since the earlier pack")


def _verify(archive: Archive, digest: str, trust: Ed25519PublicKey | None, after: Path | None) -> Verified:
    if MANIFEST not in archive.names:
        raise wrong(MANIFEST, "removed")
    sealed = archive.read(MANIFEST)
    try:
        claimed = statement(sealed, None, PACK, MANIFEST)["predicate"]["signer"]["public_key"]
        key = public_key(str(claimed).encode(), MANIFEST)
    except (KeyError, TypeError, UnreadableError) as error:
        raise wrong(MANIFEST, "changed", "鍵がありません / it names no key") from error
    if trust is not None and fingerprint(key) != fingerprint(trust):
        why = f"signed by {fingerprint(key)}, not by the trusted key {fingerprint(trust)}"
        raise WrongError(f"{MANIFEST}: {why} (指定の鍵による署名ではありません)")
    content = statement(sealed, key, PACK, MANIFEST)
    try:
        listed = {str(one["name"]): str(one["digest"]["sha256"]) for one in content["subject"]}
        predicate = dict(content["predicate"])
        head = (int(predicate["head"]["length"]), str(predicate["head"]["digest"]))
        policies = str(predicate["policies"])
    except (KeyError, TypeError, ValueError) as error:
        raise wrong(MANIFEST, "changed", f"目録ではありません / not a manifest ({error})") from error
    found = {name: sha256(archive.read(name)).hexdigest() for name in archive.names if name != MANIFEST}
    compare(listed, found)
    chain = walk(archive, in_order(found), key)
    if head != (len(chain), chain[-1] if chain else GENESIS):
        why = f"removed, or {MANIFEST} names another head than record {len(chain)}"
        raise WrongError(f"record {head[0]}: {why} (記録 {head[0]} がないか、目録の末尾が違います)")
    lines = [
        f"{found[name]}  {name.removeprefix('policies/')}\n" for name in sorted(found) if name.startswith("policies/")
    ]
    if sha256("".join(lines).encode()).hexdigest() != policies:
        raise wrong("policies", "changed", "目録のダイジェストと違います / their digest is not the one in the manifest")
    if after is not None:
        extends(chain, after, key)
    return Verified(digest, fingerprint(key), len(chain), head[1], policies, predicate, tuple(chain))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Checks an evidence pack offline.")
    parser.add_argument("pack", type=Path, metavar="PACK")
    parser.add_argument("--trust", type=Path, metavar="PUBLIC_KEY", help="the signer's public key, got by another way")
    parser.add_argument("--after", type=Path, metavar="EARLIER_PACK", help="a pack that you were given before")
    given = parser.parse_args(arguments)
    try:
        trust = public_key(given.trust.read_bytes(), str(given.trust)) if given.trust else None
        said = verify(given.pack, trust=trust, after=given.after)
    except WrongError as error:
        print(f"NG: この証跡パックは信頼できません / this pack is not sound\n{error}")
        return 1
    except (UnreadableError, OSError, MemoryError) as error:
        print(f"検証できません / cannot be read: {error}")
        return 2
    print(f"記録 / records: {said.length}\nhead: {said.head}\npolicies: {said.policies}")
    print(f"署名鍵 / signed by: {said.fingerprint}")
    if trust is None:
        print(
            "注意: --trust がないため、パック自身の中で矛盾がないことだけを確かめました。証明としては不十分です。\n"
            "note: without --trust this pack agrees with itself, which is less than proof: compare the fingerprint "
            "above with the one you were given in another way."
        )
    if given.after is None:
        print(
            "注意: --after がないため、署名者自身による過去の書き換えは検出できません。\n"
            "note: without --after a rewrite by the signer himself would not be seen."
        )
    print("OK: 整合しています / the pack is sound" + (" (self-consistent only)" if trust is None else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
