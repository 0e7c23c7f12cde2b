"""Facts about the terminal itself, asked of the terminal: is it fit to leave the LGWAN tier?"""

from __future__ import annotations

import json
import time

from declare import check
from testinfra.host import Host

from sekisho.fleet.terminal import Terminal

CERTIFICATE = "/etc/sekisho/device/device.crt"
KEY = "/etc/sekisho/device/device.key"


@check(
    "device-certificate",
    ja="端末証明書が有効で、資産番号と一致する",
    en="the device certificate is valid for 7 more days and bears the asset number",
    controls=["network-authentication"],
    asks="terminal",
    remedy="enrol the terminal again (playbooks/terminals.yml)",
)
def test_device_certificate(host: Host, terminal: Terminal) -> None:
    subject = host.run("openssl x509 -in %s -noout -subject -nameopt RFC2253 -checkend 604800", CERTIFICATE)
    assert subject.rc == 0, f"the certificate is missing or ends within 7 days: {subject.stderr.strip()[:120]}"
    assert f"CN={terminal.asset}" in subject.stdout, (
        f"the certificate bears another name: {subject.stdout.strip()[:120]}"
    )


@check(
    "device-key-private",
    ja="端末の秘密鍵は管理者だけが読める",
    en="only root can read the device's private key",
    controls=["network-authentication"],
    asks="terminal",
    remedy="chmod 0600 the key, find out who could read it, and enrol the terminal again",
)
def test_device_key_private(host: Host) -> None:
    key = host.file(KEY)
    assert key.exists, "there is no device key"
    assert key.user == "root", f"the key belongs to {key.user}"
    assert key.mode & 0o077 == 0, f"the key has mode {key.mode:o}: others can read it"


@check(
    "supplicant-running",
    ja="802.1Xサプリカントが動作している",
    en="the 802.1X supplicant runs and starts with the machine",
    controls=["network-authentication"],
    asks="terminal",
    remedy="systemctl enable --now sekisho-supplicant",
)
def test_supplicant_running(host: Host) -> None:
    service = host.service("sekisho-supplicant")
    assert service.is_running, "the supplicant does not run"
    assert service.is_enabled, "the supplicant would not start with the machine"


@check(
    "profiles-present",
    ja="移行先と移行元の両方のネットワーク設定が端末にある",
    en="the terminal carries the profile of every tier it may be given",
    controls=["tier-separation"],
    asks="terminal",
    remedy="run playbooks/prepare.yml for this terminal",
)
def test_profiles_present(host: Host) -> None:
    told = host.run("cat /etc/sekisho/profiles.nft")
    assert told.rc == 0, "there are no profiles"
    for tier in ("lgwan", "probation", "internet", "quarantine"):
        assert f"\n# tier {tier} " in told.stdout, f"the profile {tier} is missing"


@check(
    "host-firewall",
    ja="端末のファイアウォールが有効で、着信を既定で拒否する",
    en="the host firewall is loaded and drops incoming connections by default",
    controls=["endpoint-protection"],
    asks="terminal",
    remedy="run playbooks/prepare.yml; find out who switched it off",
)
def test_host_firewall(host: Host) -> None:
    rules = json.loads(host.check_output("nft -j list chains"))["nftables"]
    hooks = [item["chain"] for item in rules if item.get("chain", {}).get("hook") == "input"]
    assert any(chain.get("policy") == "drop" for chain in hooks), "no input chain drops by default"


@check(
    "log-agent",
    ja="ログ転送が動作している",
    en="the log agent runs",
    controls=["log-management"],
    asks="terminal",
    remedy="systemctl status rsyslog on the terminal",
)
def test_log_agent(host: Host) -> None:
    assert host.service("rsyslog").is_running, "rsyslog does not run"


@check(
    "disk-space",
    ja="ディスクに余裕がある",
    en="at least 200 MB are free on /var",
    controls=["endpoint-protection"],
    asks="terminal",
    remedy="free disk space",
)
def test_disk_space(host: Host) -> None:
    free = int(host.check_output("df --output=avail -k /var/log | tail -n 1"))
    assert free >= 200 * 1024, f"only {free // 1024} MB are free"


@check(
    "clock",
    ja="時計が合っている",
    en="the clock is within 5 seconds of the control machine's",
    controls=["log-management"],
    asks="terminal",
    remedy="mend time synchronisation: leases and logs rest on it",
)
def test_clock(host: Host) -> None:
    before = time.time()
    told = float(host.check_output("date +%s.%N"))
    after = time.time()
    assert before - 5 <= told <= after + 5, f"the clock is {told - after:+.0f} s off"


@check(
    "packages-whole",
    ja="パッケージの状態に異常がない",
    en="no package is half installed",
    controls=["vulnerability-management"],
    asks="terminal",
    remedy="dpkg --configure -a",
)
def test_packages_whole(host: Host) -> None:
    said = host.check_output("dpkg --audit")
    assert not said, f"dpkg names faults: {said[:120]}"


@check(
    "administrators",
    ja="想定外の管理者アカウントがない",
    en="nobody but root and the management account can become administrator",
    controls=["access-control"],
    asks="terminal",
    remedy="remove the account from the group sudo, or have it approved",
)
def test_administrators(host: Host) -> None:
    members = set(filter(None, host.check_output("getent group sudo").rpartition(":")[2].split(",")))
    assert members <= {"admin"}, f"unexpected administrators: {', '.join(sorted(members - {'admin'}))}"
    roots = host.check_output("awk -F: '$3 == 0 {print $1}' /etc/passwd").split()
    assert roots == ["root"], f"accounts with user id 0: {', '.join(roots)}"
