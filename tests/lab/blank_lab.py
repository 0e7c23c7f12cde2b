"""A small lab of its own for the lab's tests: no product role runs in it, only a throw-away RADIUS server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekisho.lab.lab import Lab

TOPOLOGY = """
networks:
  management: {vlan: 5, cidr: 10.9.0.0/24}
  lgwan: {vlan: 10, cidr: 10.10.0.0/18, terminals: true}
  internet: {vlan: 20, cidr: 10.20.0.0/18, terminals: true}
  devices: {vlan: 50, cidr: 10.50.0.0/18, terminals: true}
  kitting: {vlan: 90, cidr: 10.90.0.0/18, terminals: true}
switch: {name: sw1, network: management, address: 10.9.0.2, radius: 10.9.0.3, bench: kitting, mab_after: 1.0}
control: {network: management, address: 10.9.0.10}
machines:
  - name: core
    nics:
      - {name: mgmt, network: management, address: 10.9.0.1}
      - {name: lgwan, network: lgwan, address: 10.10.0.1}
      - {name: internet, network: internet, address: 10.20.0.1}
      - {name: devices, network: devices, address: 10.50.0.1}
      - {name: kitting, network: kitting, address: 10.90.0.1}
  - name: radius
    nics: [{name: eth0, network: management, address: 10.9.0.3, gateway: true}]
terminals:
  - {name: pc-0001, mac: "02:5e:00:00:00:01", number: 1}
  - {name: pc-0002, mac: "02:5e:00:00:00:02", number: 2}
  - {name: pc-0003, mac: "02:5e:00:00:00:03", number: 3}
  - {name: pr-0001, mac: "02:5e:00:00:00:21", number: 13}
spare: {first: 101, mac_prefix: "02:5e:01:00:"}
"""
GATEWAYS = {"lgwan": "10.10.0.1", "internet": "10.20.0.1", "devices": "10.50.0.1", "kitting": "10.90.0.1"}
_FREERADIUS = "/etc/freeradius/3.0"

_EAP = """eap {
 default_eap_type = tls
 timer_expire = 60
 max_sessions = 4096
 tls-config tls-common {
  private_key_file = /etc/freeradius/3.0/certs/lab/radius.key
  certificate_file = /etc/freeradius/3.0/certs/lab/radius.pem
  ca_file = /etc/freeradius/3.0/certs/lab/ca.pem
  tls_min_version = "1.2"
  cache {
   enable = no
  }
 }
 tls {
  tls = tls-common
 }
}
"""
_SITE = """server default {
listen {
 type = auth
 ipaddr = *
 port = 0
}
listen {
 type = acct
 ipaddr = *
 port = 0
}
authorize {
 files
 eap {
  ok = return
 }
 pap
}
authenticate {
 Auth-Type PAP {
  pap
 }
 eap
}
preacct {
}
accounting {
 linelog_acct
 ok
}
post-auth {
 Post-Auth-Type REJECT {
  eap
 }
}
}
"""
_LINELOG = """linelog linelog_acct {
 filename = /var/log/freeradius/acct.log
 format = "%{Acct-Status-Type} %{NAS-Identifier} %{Calling-Station-Id} %{Acct-Session-Id}"
}
"""


def run(lab: Lab, machine: str, script: str, *, stdin: str = "", timeout: float = 30.0) -> tuple[int, str]:
    """Run a shell script on a machine; its exit code and what it said."""
    done = subprocess.run(
        lab.command(machine, ["sh", "-c", script]), input=stdin, capture_output=True, text=True, timeout=timeout
    )
    return done.returncode, done.stdout + done.stderr


def put(lab: Lab, machine: str, path: str, content: str) -> None:
    code, told = run(lab, machine, f"mkdir -p $(dirname {path}) && cat > {path} && chmod 644 {path}", stdin=content)
    assert code == 0, told


def port(lab: Lab, name: str) -> dict[str, object]:
    return dict(lab.status()["ports"][name])


def until(check: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for `check`; how many seconds it took."""
    start = time.monotonic()
    while not check():
        assert time.monotonic() - start < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - start


def reaches(lab: Lab, machine: str, address: str) -> bool:
    return run(lab, machine, f"ping -c1 -W1 {address}")[0] == 0


def address_everywhere(lab: Lab, machine: str, number: int) -> None:
    """Give a terminal an address in every network, as somebody would who tries what he can reach."""
    commands = [f"ip address replace 10.{tier}.1.{number}/18 dev eth0" for tier in (10, 20, 50, 90)]
    run(lab, machine, "ip link set eth0 up; " + "; ".join(commands))


def issue(name: str, ca: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None) -> tuple[str, str, object]:
    """A certificate for `name` (a CA without `ca`): certificate, key, and both as objects."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (ca[0].subject, ca[1]) if ca else (subject, key)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    if ca:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usages, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode(), (certificate, key)


class Radius:
    """The throw-away server: who gets which VLAN, and for how long."""

    def __init__(self, lab: Lab, state: Path) -> None:
        self.lab = lab
        self.secret = (state / "secrets/radius_secret").read_text().strip()
        ca_pem, _, ca = issue("lab-ca", None)
        for name in ("radius", "pc-0001", "pc-0002"):
            certificate, key, _ = issue(name, ca)  # type: ignore[arg-type]
            folder = f"{_FREERADIUS}/certs/lab" if name == "radius" else "/etc/lab"
            for file, text in (("ca.pem", ca_pem), (f"{name}.pem", certificate), (f"{name}.key", key)):
                put(lab, name, f"{folder}/{file}", text)
        put(lab, "radius", f"{_FREERADIUS}/mods-enabled/eap", _EAP)
        put(lab, "radius", f"{_FREERADIUS}/mods-enabled/linelog_acct", _LINELOG)
        put(lab, "radius", f"{_FREERADIUS}/sites-enabled/default", _SITE)
        client = f"client sw1 {{\n ipaddr = 10.9.0.2\n secret = {self.secret}\n}}\n"
        put(lab, "radius", f"{_FREERADIUS}/clients.conf", client)
        put(lab, "radius", "/root/secret", self.secret)
        run(lab, "radius", f"rm -f {_FREERADIUS}/sites-enabled/inner-tunnel")
        self.answer({"pc-0001": 10, "pc-0002": 10, "025e00000021": 50})
        for name in ("pc-0001", "pc-0002"):
            put(lab, name, "/etc/lab/wpa.conf", _WPA.format(name=name))
            put(lab, name, "/etc/systemd/system/wpa.service", _WPA_UNIT)
            run(lab, name, "systemctl start wpa")

    def answer(self, vlans: dict[str, int], *, seconds: int = 0) -> None:
        """Answer these names with these VLANs from now on; `seconds` is the Session-Timeout."""
        users = ""
        for name, vlan in vlans.items():
            password = f' Cleartext-Password := "{name}"' if "-" not in name else ""
            timeout = f", Session-Timeout = {seconds}" if seconds else ""
            users += (
                f"{name}{password}\n Tunnel-Type = VLAN, Tunnel-Medium-Type = IEEE-802, "
                f'Tunnel-Private-Group-Id = "{vlan}"{timeout}\n'
            )
        put(self.lab, "radius", f"{_FREERADIUS}/mods-config/files/authorize", users)
        self.start()

    def start(self) -> None:
        code, told = run(self.lab, "radius", "systemctl reset-failed freeradius; systemctl restart freeradius")
        assert code == 0, told

    def stop(self) -> None:
        run(self.lab, "radius", "systemctl stop freeradius")

    def accounting(self) -> list[str]:
        return run(self.lab, "radius", "cat /var/log/freeradius/acct.log")[1].splitlines()

    def disconnect(self, name: str, extra: str = "", *, secret: str = "/root/secret", stamp: str = "now") -> str:
        """Send a Disconnect-Request; what radclient said."""
        request = f'NAS-Identifier="sw1/{name}",Message-Authenticator=0x00'
        if stamp == "now":
            request += f",Event-Timestamp={int(time.time())}"
        elif stamp:
            request += f",Event-Timestamp={stamp}"
        command = f"radclient -x -r 1 -t 2 -S {secret} 10.9.0.2:3799 disconnect"
        return run(self.lab, "radius", command, stdin=f"{request}{extra}\n")[1]


_WPA = """ap_scan=0
fast_reauth=0
network={{
 key_mgmt=IEEE8021X
 eap=TLS
 eapol_flags=0
 identity="{name}"
 ca_cert="/etc/lab/ca.pem"
 client_cert="/etc/lab/{name}.pem"
 private_key="/etc/lab/{name}.key"
 domain_match="radius"
}}
"""
_WPA_UNIT = """[Service]
ExecStart=/sbin/wpa_supplicant -Dwired -ieth0 -c/etc/lab/wpa.conf
Restart=always
"""
