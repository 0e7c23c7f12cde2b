"""Facts about the terminal itself, asked of the terminal: is it fit for the tier that it is in?"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from declare import check
from testinfra.host import Host

from sekisho.core.clock import now
from sekisho.fleet.terminal import Terminal
from sekisho.identity.ca import serial

CERTIFICATE = "/etc/sekisho/device/device.crt"
KEY = "/etc/sekisho/device/device.key"
# The packages whose programs the other facts rest on.
TRUSTED = "nftables wpasupplicant rsyslog rsyslog-relp ulogd2 openssh-server sudo iproute2"


@check(
    "device-certificate",
    ja="端末証明書が有効で、資産番号・台帳・秘密鍵と一致する",
    en="the device certificate is ours, valid for 7 more days, and that of the asset number, the ledger and the key",
    controls=["network-authentication"],
    asks="terminal",
    remedy="enrol the terminal again (playbooks/terminals.yml)",
    remedy_ja="端末証明書を発行し直す(playbooks/terminals.yml)",
)
def test_device_certificate(host: Host, terminal: Terminal, authority: x509.Certificate) -> None:
    told = host.run("cat %s", CERTIFICATE)
    assert told.rc == 0, "there is no device certificate"
    try:
        found = x509.load_pem_x509_certificate(told.stdout.encode())
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise AssertionError("the device certificate was not signed by our CA") from None
    names = [str(one.value) for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    assert names == [terminal.asset], f"the certificate bears the name {', '.join(names) or '(none)'}"
    assert serial(found) == terminal.serial, "the certificate is another than the ledger has"
    left = found.not_valid_after_utc - now()
    assert left > timedelta(days=7), f"the certificate ends on {found.not_valid_after_utc:%Y-%m-%d}"
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = host.run("openssl pkey -in %s -pubout", KEY).stdout.strip()
    assert public == found.public_key().public_bytes(*form).decode().strip(), "the certificate is not for the key here"


@check(
    "device-key-private",
    ja="端末の秘密鍵は管理者だけが読める",
    en="only root can read the device's private key",
    controls=["network-authentication"],
    asks="terminal",
    remedy="chmod 0600 the key, find out who could read it, and enrol the terminal again",
    remedy_ja="秘密鍵の権限を0600にし、誰が読めたか調べ、証明書を発行し直す",
)
def test_device_key_private(host: Host) -> None:
    key = host.file(KEY)
    assert key.exists, "there is no device key"
    assert key.user == "root", f"the key belongs to {key.user}"
    assert key.mode & 0o077 == 0, f"the key has mode {key.mode:o}: others can read it"


@check(
    "supplicant-running",
    ja="802.1Xサプリカントが動作し、起動時にも開始する",
    en="the 802.1X supplicant runs and starts with the machine",
    controls=["network-authentication"],
    asks="terminal",
    remedy="systemctl enable --now sekisho-supplicant",
    remedy_ja="端末で systemctl enable --now sekisho-supplicant を実行する",
)
def test_supplicant_running(host: Host) -> None:
    service = host.service("sekisho-supplicant")
    assert service.is_running, "the supplicant does not run"
    assert service.is_enabled, "the supplicant would not start with the machine"


@check(
    "log-agent",
    ja="ログ転送が動作し、収集サーバに接続している",
    en="the log agent and those who feed it run, start with the machine, and are connected to the collector",
    controls=["log-management"],
    asks="terminal",
    remedy="systemctl status rsyslog sekisho-journal sekisho-firewall-log; then the flow to the collector",
    remedy_ja="端末で rsyslog・sekisho-journal・sekisho-firewall-log の状態、次に収集サーバへの経路を確認する",
)
def test_log_agent(host: Host, address_of: Any) -> None:
    for name in ("rsyslog", "sekisho-journal", "sekisho-firewall-log"):
        service = host.service(name)
        assert service.is_running, f"{name} does not run"
        assert service.is_enabled, f"{name} would not start with the machine"
    # It connects again within seconds after a change of tier; a healthy agent is not waited for.
    target = f"{address_of('collector')}:6514"
    look = "for i in 1 2 3 4 5 6 7 8; do ss -Htnp state established dst %s | grep -q rsyslogd && exit; sleep 1; done"
    assert host.run(f"{look}; exit 1", target).rc == 0, f"rsyslog has no connection to the collector ({target})"


@check(
    "disk-space",
    ja="ログの保存・送信待ちに必要なディスクの空きがある",
    en="at least 200 MB are free where logs are written and wait",
    controls=["log-management", "availability"],
    asks="terminal",
    remedy="free disk space",
    remedy_ja="不要なファイルを消し、空きを200 MB以上にする",
)
def test_disk_space(host: Host) -> None:
    lines = host.check_output("df --output=avail,target -k /var/log /var/spool/sekisho").splitlines()[1:]
    assert len(lines) == 2, "df did not answer for both folders"
    for line in lines:
        free, target = line.split(maxsplit=1)
        assert int(free) >= 200 * 1024, f"only {int(free) // 1024} MB are free on {target}"


@check(
    "clock",
    ja="時計が合っている",
    en="the clock is within 5 seconds of the control machine's",
    controls=["log-management"],
    asks="terminal",
    remedy="mend time synchronisation: leases and logs rest on it",
    remedy_ja="時刻同期を直す(一時割当てとログの前提)",
)
def test_clock(host: Host) -> None:
    before = time.time()
    told = float(host.check_output("date +%s.%N"))
    after = time.time()
    assert before - 5 <= told <= after + 5, f"the clock is {told - after:+.0f} s off"


@check(
    "packages-whole",
    ja="パッケージに欠けや改変がない",
    en="no package is half installed, and the programs that the checks rest on are as they were packed",
    controls=["vulnerability-management"],
    asks="terminal",
    remedy="dpkg --configure -a; a changed program: find out who changed it, and install the terminal anew",
    remedy_ja="dpkg --configure -a を実行する。プログラムが改変されていれば、誰が変えたか調べ、端末を再導入する",
)
def test_packages_whole(host: Host) -> None:
    states = host.check_output("dpkg-query --show --showformat '${db:Status-Abbrev}${Package}\\n' %s", "*").splitlines()
    packages = {line[3:].strip(): line[:3].strip() for line in states}
    lacking = [name for name in TRUSTED.split() if packages.get(name) != "ii"]
    assert not lacking, f"not wholly installed: {', '.join(lacking)}"
    # un, rc: not installed any more; hi: held back on purpose.
    broken = sorted(name for name, state in packages.items() if state not in {"ii", "hi", "un", "rc"})
    assert not broken, f"not wholly installed: {', '.join(broken[:5])}"
    said = host.run(f"LC_ALL=C dpkg --verify {TRUSTED}").stdout.splitlines()
    changed = [line.split()[-1] for line in said if line.split()[-1].startswith(("/bin", "/sbin", "/usr/", "/lib"))]
    changed = [path for path in changed if not path.startswith("/usr/share/")]
    assert not changed, f"not as it was packed: {', '.join(changed[:5])}"


@check(
    "administrators",
    ja="想定外の管理者アカウントがない",
    en="nobody but root and the management account can become administrator",
    controls=["access-control"],
    asks="terminal",
    remedy="remove the account or its sudo rule, or have it approved",
    remedy_ja="そのアカウントまたはsudoの設定を取り除くか、管理者としての承認を得る",
)
def test_administrators(host: Host) -> None:
    accounts = [line.split(":") for line in host.check_output("getent passwd").splitlines()]
    roots = [fields[0] for fields in accounts if fields[2] == "0"]
    assert roots == ["root"], f"accounts with user id 0: {', '.join(roots)}"
    # sudo is asked itself: groups, aliases and every included file count as they count for it.
    ask = "for user in $(getent passwd | cut -d: -f1); do LC_ALL=C sudo -n -l -U $user; done"
    said = host.run(ask).stdout
    able = {line.split()[1] for line in said.splitlines() if "may run the following" in line}
    unable = {line.split()[1] for line in said.splitlines() if "is not allowed to run sudo" in line}
    silent = {fields[0] for fields in accounts} - able - unable
    if silent or "root" not in able:
        raise RuntimeError(f"sudo gave no answer for {', '.join(sorted(silent)) or 'root'}")
    assert able <= {"root", "admin"}, f"unexpected administrators: {', '.join(sorted(able - {'root', 'admin'}))}"
