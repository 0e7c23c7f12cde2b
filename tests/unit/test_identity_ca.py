"""The device CA signs only what it expects."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.core.errors import BadInput, Refused
from sekisho.core.state import open_state
from sekisho.identity import ca, enrol
from sekisho.identity.ca import Authority, Service


def request(name: str, curve: ec.EllipticCurve | None = None) -> bytes:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return asked.public_bytes(serialization.Encoding.PEM)


def test_a_device_certificate_is_for_clients_only(tmp_path: Path) -> None:
    signed = Authority(tmp_path).sign(request("PC-0001"), "PC-0001")
    usage = signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    signed.verify_directly_issued_by(Authority(tmp_path).certificate)


def test_a_servers_certificate_names_its_addresses_and_fits_only_its_purpose(tmp_path: Path) -> None:
    asked, node = request("es-1"), Service((IPv4Address("10.160.0.11"),), peer=True)
    signed = Authority(tmp_path).sign(asked, "es-1", service=node)
    usage = signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    names = signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("es-1"), x509.IPAddress(IPv4Address("10.160.0.11"))]
    assert ca.matches(signed, asked, "es-1", service=node)
    moved = Service((IPv4Address("10.160.0.12"),), peer=True)
    assert not any(ca.matches(signed, asked, "es-1", service=other) for other in (moved, Service(), None))


def test_a_server_that_only_answers_calls_nobody(tmp_path: Path) -> None:
    usage = Authority(tmp_path).sign(request("gyomu"), "gyomu", service=Service()).extensions
    assert list(usage.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_server_that_only_calls_serves_nobody_and_keeps_its_certificate(tmp_path: Path) -> None:
    state, asked, path = (
        open_state(tmp_path, create=True),
        request("radius"),
        tmp_path / "ca" / "clients" / "radius.crt",
    )
    assert [enrol.sign_server(state, asked, path, "radius", None) for _ in range(2)] == [True, False]
    usage = x509.load_pem_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert enrol.sign_server(state, asked, path, "radius", Service())


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="PC-0002"):
        Authority(tmp_path).sign(request("PC-0002"), "PC-0001")


def test_another_curve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="P-256"):
        Authority(tmp_path).sign(request("PC-0001", ec.SECP384R1()), "PC-0001")


def test_a_request_that_was_changed_is_refused(tmp_path: Path) -> None:
    body = x509.load_pem_x509_csr(request("PC-0001")).public_bytes(serialization.Encoding.DER)
    changed = x509.load_der_x509_csr(body.replace(b"PC-0001", b"PC-0009"))
    with pytest.raises(BadInput, match="own key"):
        Authority(tmp_path).sign(changed.public_bytes(serialization.Encoding.PEM), "PC-0009")


@pytest.mark.parametrize("rubbish", [b"", b"no request", b"x" * 20_000])
def test_rubbish_is_refused(tmp_path: Path, rubbish: bytes) -> None:
    with pytest.raises(BadInput):
        Authority(tmp_path).sign(rubbish, "PC-0001")


def test_the_authority_key_is_private_and_is_kept(tmp_path: Path) -> None:
    first = Authority(tmp_path).certificate
    assert Authority(tmp_path).certificate == first
    assert (tmp_path / "ca" / "ca.key").stat().st_mode & 0o077 == 0


def test_a_serial_number_has_whole_octets(tmp_path: Path) -> None:
    signed = Authority(tmp_path).sign(request("PC-0001"), "PC-0001")
    assert len(ca.serial(signed)) % 2 == 0
    assert int(ca.serial(signed), 16) == signed.serial_number
