"""The auditor keys that the entry gate accepts. Each change is a record, and voids earlier countersignatures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sekisho.core.errors import BadInput, Refused
from sekisho.core.language import Both
from sekisho.core.state import State
from sekisho.evidence import keys, statement
from sekisho.evidence.chain import Chain, record_name


@dataclass(frozen=True)
class Auditor:
    """A key that was added. `added` and `removed` are the records of it."""

    fingerprint: str
    name: str
    public_key: str
    added: int
    removed: int | None


def every(state: State) -> list[Auditor]:
    """All auditor keys that ever were, oldest first: as the signed records say, not the table beside them.

    Raises:
        Refused: a record of them is not signed by our key.
    """
    chain = Chain(state)
    found: dict[str, Auditor] = {}
    for one in chain.records("auditor.*"):
        key = chain.public_key()
        if key is not None:
            statement.check(one.envelope, key, record_name(one.seq))
        print_of = str(one.body["fingerprint"])
        if one.kind == "auditor.added":
            found[print_of] = Auditor(print_of, str(one.body["auditor"]), str(one.body["public_key"]), one.seq, None)
        elif print_of in found:
            found[print_of] = replace(found[print_of], removed=one.seq)
    return list(found.values())


def current(state: State) -> list[Auditor]:
    """The keys that are in force."""
    return [one for one in every(state) if one.removed is None]


def last_change(state: State) -> int:
    """The number of the last record that changed the auditor keys; 0 when there is none."""
    rows = state.read("SELECT max(seq) AS seq FROM record WHERE kind IN ('auditor.added', 'auditor.removed')")
    return int(rows[0]["seq"] or 0)


def add(state: State, key: Ed25519PublicKey, *, name: str, who: str) -> Auditor:
    """Add an auditor's key.

    Raises:
        BadInput: the key was added before (also if it was removed since), or the name is empty.
        Refused: it is the key that signs our own records.
    """
    if not name.strip():
        raise BadInput(
            Both("監査人の名前が空", "the auditor's name is empty"),
            Both('--name "監査法人…" のように指定する', 'give it as --name "監査法人…"'),
        )
    print_of = keys.fingerprint(key)
    with state.transaction() as tx:
        if any(one.fingerprint == print_of for one in every(state)):
            raise BadInput(
                Both(f"鍵 {print_of} は登録済み", f"the key {print_of} was added before"),
                Both(
                    "`sekisho auditor list` で確認する。任期が改まれば鍵も改める",
                    "see `sekisho auditor list`; a new term, a new key",
                ),
            )
        if print_of == keys.fingerprint(keys.signer_of(state, create=True).public_key()):
            raise Refused(
                Both("この鍵は当方の記録に署名する鍵", "this key signs our own records"),
                Both("監査人の鍵は監査人自身のPCで作る", "an auditor's key is made on the auditor's own PC"),
            )
        pem = keys.public_pem(key)
        facts = {"fingerprint": print_of, "auditor": name.strip(), "public_key": pem, "who": who}
        seq = Chain(state).append(tx, "auditor.added", {"type": "policy", "name": "auditors"}, facts)
        tx.run(
            "INSERT INTO auditor (fingerprint, name, public_key, added) VALUES (?, ?, ?, ?)",
            (print_of, name.strip(), pem, seq),
        )
    return Auditor(print_of, name.strip(), pem, seq, None)


def remove(state: State, fingerprint: str, *, who: str) -> Auditor:
    """Remove the key whose fingerprint begins with `fingerprint`.

    Raises:
        BadInput: no key in force begins so, or more than one does.
    """
    with state.transaction() as tx:
        found = [one for one in current(state) if fingerprint and one.fingerprint.startswith(fingerprint.lower())]
        if len(found) != 1:
            raise BadInput(
                Both(
                    f"{fingerprint} で始まる有効な監査人の鍵は{len(found)}本",
                    f"{fingerprint}: {len(found)} auditor keys in force begin so",
                ),
                Both("`sekisho auditor list` で確認する", "see `sekisho auditor list`"),
            )
        (one,) = found
        facts = {"fingerprint": one.fingerprint, "auditor": one.name, "who": who}
        seq = Chain(state).append(tx, "auditor.removed", {"type": "policy", "name": "auditors"}, facts)
        tx.run("UPDATE auditor SET removed = ? WHERE fingerprint = ?", (seq, one.fingerprint))
    return Auditor(one.fingerprint, one.name, one.public_key, one.added, seq)
