"""Enrolment: requests that terminals made become certificates, rows on the RADIUS server, and records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from sekisho.core.clock import JAPAN, now
from sekisho.core.errors import BadInput, Refused, SekishoError
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.core.state import State, Transaction
from sekisho.fleet import appliances
from sekisho.fleet.ledger import Ledger
from sekisho.fleet.terminal import KINDS, Terminal
from sekisho.identity import ca
from sekisho.identity.assignments import Assignments
from sekisho.identity.ca import Authority, Service
from sekisho.policy import devices as devices_policy
from sekisho.policy import tiers as tiers_policy

Recorder = Callable[[Transaction, str, Mapping[str, str], Mapping[str, Any]], int]


def enrol(state: State, requests: Mapping[str, str], folder: Path, *, record: Recorder) -> dict[str, str]:
    """Sign each terminal's PEM request, by host name, into `folder`/NAME.crt; serial numbers by asset number.

    A certificate that is there and fits its request is kept, so enrolling again changes nothing.

    Raises:
        Refused: a request bears a name that is not the terminal's; nothing of that terminal was changed.
        SekishoError: the RADIUS server did not take a row; the ledger does not say that it did.
    """
    ledger, authority = Ledger(state), Authority(state.folder)
    tiers = tiers_policy.read()
    signed = {
        one.asset: (one, _certificate(authority, asked, one.asset, folder / f"{one.name}.crt"))
        for one, asked in _askers(ledger, requests)
    }
    rows = [
        {"cn": asset, "serial": ca.serial(crt), "mac": one.mac, "vlan": tiers.tiers[one.tier].vlan}
        for asset, (one, crt) in signed.items()
    ]
    answers = Assignments(state).enrol(rows)
    with state.transaction() as tx:
        for asset, (one, crt) in signed.items():
            if answers[asset].done and one.serial != ca.serial(crt):
                facts = {
                    "serial": ca.serial(crt),
                    "mac": one.mac,
                    "tier": one.tier,
                    "until": str(crt.not_valid_after_utc),
                }
                record(tx, "terminal.enrolled", {"type": "terminal", "name": asset}, facts)
                ledger.bind(tx, asset, ca.serial(crt))
    refused = {asset: answer.why for asset, answer in answers.items() if not answer.done}
    if refused:
        ja = "。".join(f"{asset}: {why.ja}" for asset, why in refused.items())
        en = "; ".join(f"{asset}: {why.en}" for asset, why in refused.items())
        raise SekishoError(
            Both(f"認証サーバが受け付けなかった: {ja}", f"the RADIUS server did not take: {en}"),
            Both("原因を直して、もう一度登録する", "mend it, and enrol again"),
        )
    return {asset: ca.serial(crt) for asset, (_, crt) in signed.items()}


def due(state: State, requests: Mapping[str, str], folder: Path) -> list[str]:
    """The host names of those for whom enrolling would sign a new certificate; nothing is changed.

    Raises:
        Refused: a request is not of a terminal that gets a certificate.
    """
    return [
        one.name
        for one, asked in _askers(Ledger(state), requests)
        if _kept(asked, one.asset, folder / f"{one.name}.crt") is None
    ]


def sign_server(
    state: State, asked: bytes, certificate: Path, name: str, service: Service | None, *, dry_run: bool = False
) -> bool:
    """Sign a server's PEM request (RADIUS, business system), unless the certificate in that file still fits it.

    Without `service` it is one for a server that only opens connections, such as for its logs. Whether a new one is
    signed; with `dry_run`, whether one would be.
    """
    fits = _kept(asked, name, certificate, service) is not None
    if not fits and not dry_run:
        _certificate(Authority(state.folder), asked, name, certificate, service)
    return not fits


def let_in_devices(state: State, *, record: Recorder, dry_run: bool = False) -> tuple[int, bool]:
    """Tell the RADIUS server which devices without 802.1X it lets in; how many, and whether that changed anything.

    With `dry_run` nothing is changed, and the second says whether it would be.
    """
    moment = now().astimezone(JAPAN)
    policy, tiers = devices_policy.read(), tiers_policy.read()
    given = [one.device for one in appliances.judge(policy, Ledger(state).terminals(), moment.date()) if one.given]
    vlan = tiers.tiers["devices"].vlan
    rows = [
        {"asset": one.asset, "mac": one.mac, "vlan": vlan, "seconds": int((_end(one.until) - moment).total_seconds())}
        for one in given
    ]
    answer = Assignments(state).fix(rows, dry_run=dry_run)
    if not answer.done:
        raise SekishoError(
            Both(
                f"認証サーバが機器の一覧を受け付けなかった: {answer.why.ja}",
                f"the RADIUS server did not take the device list: {answer.why.en}",
            ),
            Both("もう一度実行する", "run it again"),
        )
    changed = bool(answer.facts["changed"])
    if changed and not dry_run:
        with state.transaction() as tx:
            subject = {"type": "policy", "name": "devices.yml"}
            record(tx, "devices.let_in", subject, {"assets": [one.asset for one in given]})
    return len(rows), changed


def _end(day: date) -> datetime:
    """The end of a day in Japan."""
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=JAPAN)


def _askers(ledger: Ledger, requests: Mapping[str, str]) -> Iterator[tuple[Terminal, bytes]]:
    """The terminals of these requests, each with its own."""
    by_name = {one.name: one for one in ledger.terminals()}
    for name, asked in sorted(requests.items()):
        one = by_name.get(name)
        if one is None:
            raise Refused(
                Both(f"台帳に端末 {name} はない", f"the ledger has no terminal {name}"),
                Both("先に `sekisho fleet import` で台帳を取り込む", "import the ledger first"),
            )
        if one.kind in {"printer", "other"}:
            raise Refused(
                Both(
                    f"{one.asset}は{KINDS[one.kind].ja}のため、証明書を発行しない",
                    f"{one.asset} is a {one.kind}: it gets no certificate",
                )
            )
        yield one, asked.encode()


def _certificate(
    authority: Authority, asked: bytes, name: str, path: Path, service: Service | None = None
) -> x509.Certificate:
    if old := _kept(asked, name, path, service):
        return old
    new = authority.sign(asked, name, service=service)
    write_atomic(path, ca.pem(new))
    return new


def _kept(asked: bytes, name: str, path: Path, service: Service | None = None) -> x509.Certificate | None:
    """The certificate in the file, if it fits the request and its purpose and need not be renewed."""
    if not path.exists():
        return None
    try:
        old = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise BadInput(
            Both(f"{path} は証明書ではない", f"{path} is not a certificate"),
            Both("削除して、もう一度登録する", "remove it, and enrol again"),
        ) from error
    return old if ca.matches(old, asked, name, service=service) else None
