"""The faults: at least one a check, each in the tier where a gate asks it."""

from __future__ import annotations

from fault import Fault, row, tunnel

_GYOMU, _JUKI, _WEB, _PROBE = "10.110.0.10", "10.140.0.10", "203.0.113.80", "203.0.113.81"
_HALF = (
    "mkdir -p /root/half/DEBIAN; cd /root/half/DEBIAN;"
    "printf 'Package: half\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' >control;"
    "printf '#!/bin/sh\\nexit 1\\n' >postinst; chmod 755 postinst;"
    "dpkg-deb --build /root/half /root/half.deb >/dev/null; ! dpkg --install /root/half.deb >/dev/null 2>&1"
)
_SUPPLICANT = "sekisho-supplicant"
_NO_RESTART = f"/run/systemd/system/{_SUPPLICANT}.service.d"


def _load(tier: str) -> str:
    """Load the host rules of a tier again, as the terminal carries them."""
    return f"sed -n '/^# tier {tier} /,/^}}/p' /etc/sekisho/profiles.nft | nft -f -"


# Asked in the LGWAN tier. Each round has one fault a terminal.
ENTRY: tuple[tuple[Fault, ...], ...] = (
    (
        Fault(
            "device-certificate",
            "not signed by our CA",
            "cd /etc/sekisho/device; cp -p device.crt device.crt.true;"
            "openssl req -new -x509 -key device.key -subj /CN=$asset -days 700 -out device.crt",
            "cd /etc/sekisho/device; mv device.crt.true device.crt",
        ),
        Fault(
            "device-key-private",
            "others can read it",
            "chmod 0644 /etc/sekisho/device/device.key",
            "chmod 0600 /etc/sekisho/device/device.key",
        ),
        Fault(
            "supplicant-running",
            "would not start with the machine",
            f"systemctl --quiet disable {_SUPPLICANT}",
            f"systemctl --quiet enable {_SUPPLICANT}",
        ),
        Fault(
            "profiles-present",
            "the profile probation is missing",
            "cd /etc/sekisho; cp -p profiles.nft /root; sed -i '/^# tier probation /,/^}/d' profiles.nft",
            "mv /root/profiles.nft /etc/sekisho/profiles.nft",
        ),
        Fault(
            "host-firewall",
            "rules are not loaded",
            # Another table that drops by default, ours gone: not our rules, whatever its policy says.
            "nft 'add table inet other; add chain inet other input { type filter hook input priority 0; policy drop; };"
            " add rule inet other input accept; delete table inet sekisho'",
            f"nft delete table inet other; {_load('lgwan')}",
        ),
        Fault(
            "log-agent",
            "would not start with the machine",
            # Without a reload: systemd loses a running service whose alias goes and comes.
            "systemctl --quiet disable --no-reload rsyslog",
            "systemctl --quiet enable --no-reload rsyslog; systemctl stop rsyslog syslog.socket;"
            " systemctl daemon-reload; systemctl start syslog.socket rsyslog",
        ),
        Fault(
            "disk-space",
            "MB are free on /var/log",
            "mount -t tmpfs -o size=50m none /var/log",
            "umount --lazy /var/log; systemctl kill --signal=HUP rsyslog",  # it has files open there
        ),
        Fault(
            "clock",
            "s off",
            # The lab's machines share one clock: what is broken is what the terminal answers.
            'printf \'#!/bin/sh\\nexec /bin/date -d "+90 seconds" "$@"\\n\' >/usr/local/bin/date;'
            "chmod 755 /usr/local/bin/date",
            "rm /usr/local/bin/date",
        ),
        Fault("packages-whole", "not wholly installed: half", _HALF, "dpkg --purge half >/dev/null; rm -r /root/half*"),
        Fault(
            "administrators",
            "unexpected administrators: games",
            "echo 'games ALL=(root) NOPASSWD: /bin/sh' >/etc/sudoers.d/zz; chmod 440 /etc/sudoers.d/zz",
            "rm /etc/sudoers.d/zz",
        ),
        Fault(
            "one-address",
            "a further address: 10.10.40.9 on eth0",
            "ip address add 10.10.40.9/18 dev eth0",
            "ip address delete 10.10.40.9/18 dev eth0",
        ),
        Fault(
            "profile-applied",
            "does not run",
            "systemctl stop sekisho-profile",
            "systemctl start sekisho-profile",
        ),
    ),
    (
        Fault(
            "business-reachable",
            "does not answer",
            f"ip route add blackhole {_GYOMU}/32",
            f"ip route delete blackhole {_GYOMU}/32",
        ),
        tunnel("outside-unreachable", _WEB, "the internet answers"),
        tunnel("mynumber-unreachable", _JUKI, "the My Number server answers"),
        row("session-in-tier", "no live session", "sid", "null"),
        row("certificate-in-ledger", "another certificate", "serial", '"00"'),
        Fault(
            "router-sees-tier",
            "also on internet as 10.20.40.9",
            "ip neigh replace 10.20.40.9 lladdr $mac dev internet nud permanent",
            "ip neigh delete 10.20.40.9 dev internet",
            on="core",
        ),
        Fault(
            "collector-hears",
            "has not arrived",
            "systemctl kill --signal=STOP sekisho-journal",  # it runs, and does nothing
            "systemctl kill --signal=CONT sekisho-journal",
        ),
        Fault(
            "log-agent",
            "rsyslog does not run",
            "systemctl stop rsyslog syslog.socket",
            "systemctl start rsyslog",
            also=frozenset({"collector-hears"}),
        ),
        Fault(
            "packages-whole",
            "not as it was packed: /usr/sbin/nft",
            "cd /usr/sbin; cp -p nft nft.true; cp -p nft nft.new; echo >>nft.new; mv nft.new nft",
            "cd /usr/sbin; mv nft.true nft",
        ),
        Fault(
            "host-firewall",
            "has input: tcp dport 3389 accept",
            "nft add rule inet sekisho input tcp dport 3389 accept",
            _load("lgwan"),
        ),
        Fault(
            "one-address",
            "a further address: fd00:20::1 on eth0",
            "ip -6 address add fd00:20::1/64 dev eth0 nodad",
            "ip -6 address delete fd00:20::1/64 dev eth0",
        ),
        Fault(
            "administrators",
            "accounts with user id 0: root, toor",
            "echo toor:x:0:0::/root:/bin/sh >>/etc/passwd",
            "sed -i /^toor:/d /etc/passwd",
        ),
    ),
    (
        Fault(
            "supplicant-running",
            "does not run",
            f"mkdir -p {_NO_RESTART}; printf '[Service]\\nRestart=no\\n' >{_NO_RESTART}/no.conf; "
            f"systemctl daemon-reload; systemctl kill --signal=KILL {_SUPPLICANT}",
            f"rm -r {_NO_RESTART}; systemctl daemon-reload; systemctl reset-failed {_SUPPLICANT};"
            f"systemctl start {_SUPPLICANT}",
        ),
        Fault(
            "profiles-present",
            "the profile internet has input: type filter hook input priority filter; policy accept;",
            "cd /etc/sekisho; cp -p profiles.nft /root;"
            "sed -i '/^# tier internet /,/^}/s/policy drop/policy accept/' profiles.nft",
            "mv /root/profiles.nft /etc/sekisho/profiles.nft",
        ),
        Fault(
            "administrators",
            "unexpected administrators: games",
            "gpasswd --add games sudo >/dev/null",
            "gpasswd --delete games sudo >/dev/null",
        ),
        Fault(
            "one-address",
            "a further network card is up: phone",
            "ip link add phone type veth peer name far; ip link set phone up",
            "ip link delete phone",
        ),
        Fault(
            "log-agent",
            "sekisho-firewall-log does not run",
            "systemctl stop sekisho-firewall-log",
            "systemctl start sekisho-firewall-log",
        ),
        row("session-in-tier", "RADIUS says VLAN 20", "vlan", "20"),
        row("session-in-tier", "revoked", "revoked", "1"),
        row("certificate-in-ledger", "binds the MAC", "mac", '"02:00:00:00:00:99"'),
        Fault(
            "device-certificate",
            "there is no device certificate",
            "mv /etc/sekisho/device/device.crt /root",
            "mv /root/device.crt /etc/sekisho/device",
        ),
    ),
)

# Faults of the router are everybody's: each in a run of its own, for one terminal.
_RULES_BACK = "nft -f /etc/nftables.conf"
ROUTER: tuple[Fault, ...] = (
    Fault(
        "router-rules",
        "the router has forward: ip saddr 10.99.0.1 accept",
        "nft insert rule inet sekisho forward ip saddr 10.99.0.1 accept",
        _RULES_BACK,
        on="core",
    ),
    Fault(
        "router-rules",
        "table ip relay",
        "nft add table ip relay; nft add chain ip relay post '{ type nat hook postrouting priority 100; }'",
        "nft delete table ip relay",
        on="core",
    ),
)

# Asked on probation.
EXIT: tuple[Fault, ...] = (
    Fault(
        "probe-reachable",
        "does not answer",
        f"ip route add blackhole {_PROBE}/32",
        f"ip route delete blackhole {_PROBE}/32",
    ),
    tunnel("internet-closed", _WEB, "the open internet answers"),
    tunnel("business-unreachable", _GYOMU, "the LGWAN business system answers"),
    tunnel("mynumber-unreachable", _JUKI, "the My Number server answers"),
    Fault(
        "no-flow-of-old-address",
        "1 of 10.10.1.",
        f"conntrack -I -p tcp -s 10.10.1.$n -d {_GYOMU} --sport 40000 --dport 443 --state ESTABLISHED --timeout 600",
        f"conntrack -D -p tcp -s 10.10.1.$n -d {_GYOMU}",
        on="core",
    ),
    Fault(
        "business-server-view",
        "was reached from 10.21.1.",
        f"ip address add 10.21.1.$n/32 dev lo; curl -sko /dev/null --interface 10.21.1.$n https://{_GYOMU}/;"
        "ip address delete 10.21.1.$n/32 dev lo",
        'sed -i "/^10.21.1.$n /d" /var/log/nginx/access.log; nginx -s reopen',
        on="gyomu",
    ),
    row("session-in-tier", "no lease runs", "until", "null"),
    Fault(
        "host-firewall",
        'lacks output: ip daddr 10.110.0.0/24 log prefix "dropped " group 10 drop',
        "nft delete rule inet sekisho output handle $(nft -a list chain inet sekisho output"
        " | sed -n 's/.*10.110.0.0.*handle //p')",
        _load("probation"),
    ),
)

# Asked in quarantine.
RETURN: tuple[Fault, ...] = (
    tunnel("mynumber-unreachable", _JUKI, "the My Number server answers"),
    row("certificate-in-ledger", "another certificate", "serial", '"00"'),
)
