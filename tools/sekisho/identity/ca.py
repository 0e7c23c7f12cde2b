"""The device CA: ECDSA P-256, in the state folder. It signs only a request whose name is the one it expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.core.clock import now
from sekisho.core.errors import BadInput, Refused
from sekisho.core.files import write_atomic
from sekisho.core.language import Both

_CA_YEARS = 10
_DEVICE_DAYS = 730
_SKEW = timedelta(minutes=5)  # a certificate is valid a little before now: clocks differ
_LARGEST = 16 * 1024
_UNSIGNED = Both("署名はしていない", "nothing was signed")


@dataclass(frozen=True)
class Service:
    """What a server's certificate is for: addresses by which it is called, beside its name, and whether it calls too.

    `peer`: it opens connections to its like, which want a certificate of it.
    """

    addresses: Sequence[IPv4Address] = ()
    peer: bool = False


class Authority:
    """The CA of a state folder, made at first use."""

    def __init__(self, state: Path) -> None:
        self.certificate_file = state / "ca" / "ca.crt"
        self._key_file = state / "ca" / "ca.key"
        if not self._key_file.exists():
            self._make()
        key = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BadInput(
                Both(f"{self._key_file}: 楕円曲線の鍵ではない", f"{self._key_file}: not an elliptic-curve key"),
                Both("控えから復元する", "restore it from the backup"),
            )
        self._key = key
        self.certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    def sign(self, request: bytes, name: str, *, service: Service | None = None) -> x509.Certificate:
        """Sign a PEM request for `name`: a terminal's asset number, or with `service` a server's name.

        Raises:
            BadInput: it is no request, or its own signature is wrong.
            Refused: it bears another name, or a key that we do not take.
        """
        asked = _read(request, name)
        names = [str(one.value) for one in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [name] or len(asked.subject) != 1:
            said = asked.subject.rfc4514_string()
            raise Refused(
                Both(f"{name} の証明書要求の名前が {said!r}", f"the request for {name} bears the name {said!r}"),
                _UNSIGNED,
            )
        key = asked.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Refused(
                Both(
                    f"{name} の証明書要求の鍵がECDSA P-256ではない",
                    f"the request for {name} has a key that is not ECDSA P-256",
                ),
                Both("鍵はプレイブックで作る", "make the key by the playbook"),
            )
        usage, alternatives = _purpose(name, service)
        begin = now() - _SKEW
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=_DEVICE_DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(alternatives, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sekisho device CA")])
        begin = now() - _SKEW
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=365 * _CA_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_atomic(self.certificate_file, pem(certificate))
        write_atomic(self._key_file, private, mode=0o600)  # last: it says that the CA is whole


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as it is handed out."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def serial(certificate: x509.Certificate) -> str:
    """The serial number as FreeRADIUS tells it: lower-case hexadecimal in whole octets."""
    digits = f"{certificate.serial_number:x}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def matches(certificate: x509.Certificate, request: bytes, name: str, *, service: Service | None = None) -> bool:
    """The certificate is for this key and purpose and good for a month more, so that there is nothing to sign."""
    asked = _read(request, name)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    same = certificate.public_key().public_bytes(*form) == asked.public_key().public_bytes(*form)
    usage, alternatives = _purpose(name, service)
    said = {extension.value for extension in certificate.extensions}
    return same and {usage, alternatives} <= said and certificate.not_valid_after_utc > now() + timedelta(days=30)


def _purpose(name: str, service: Service | None) -> tuple[x509.ExtendedKeyUsage, x509.SubjectAlternativeName]:
    serves, calls = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    usages = [calls] if service is None else [serves, calls] if service.peer else [serves]
    names: list[x509.GeneralName] = [x509.DNSName(name.lower())]
    names += [x509.IPAddress(address) for address in (service.addresses if service else ())]
    return x509.ExtendedKeyUsage(usages), x509.SubjectAlternativeName(names)


def _read(request: bytes, name: str) -> x509.CertificateSigningRequest:
    if len(request) > _LARGEST:
        raise BadInput(
            Both(
                f"{name} の証明書要求が{_LARGEST}バイトを超えている",
                f"the request for {name} is larger than {_LARGEST} bytes",
            ),
            _UNSIGNED,
        )
    try:
        asked = x509.load_pem_x509_csr(request)
        good = asked.is_signature_valid
    except ValueError as error:
        raise BadInput(
            Both(f"{name} の証明書要求の形式が違う", f"the request for {name} is not a certificate request"), _UNSIGNED
        ) from error
    if not good:
        raise BadInput(
            Both(
                f"{name} の証明書要求がその鍵自身で署名されていない",
                f"the request for {name} is not signed by its own key",
            ),
            _UNSIGNED,
        )
    return asked
