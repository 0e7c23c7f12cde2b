"""What is installed in the base of every lab machine: the packages that roles need, as an office's mirror has them."""

from __future__ import annotations

SUITE = "bookworm"

PACKAGES: tuple[str, ...] = (
    "auditd",
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "dnsmasq",
    "eapoltest",
    "ethtool",
    "freeradius",
    "freeradius-utils",
    "frr",
    "hostapd",
    "iproute2",
    "iputils-ping",
    "less",
    "netcat-openbsd",
    "nftables",
    "nginx-light",
    "openjdk-17-jre-headless",
    "openssh-server",
    "openssl",
    "openvswitch-switch",
    "procps",
    "python3",
    "python3-apt",
    "python3-cryptography",
    "python3-yaml",
    "rsyslog",
    "rsyslog-openssl",
    "rsyslog-relp",
    "snoopy",
    "sqlite3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tcpdump",
    "ulogd2",
    "ulogd2-json",
    "wpasupplicant",
)

# What runs on a blank machine. Everything else is installed and disabled: a role enables what it configures.
ENABLED: tuple[str, ...] = ("ssh.service", "systemd-networkd.service")

# Vendor units that a container has no use for; each costs time at every boot.
MASKED: tuple[str, ...] = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "ldconfig.service",
    "modprobe@.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-networkd-wait-online.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-update-done.service",
    "systemd-update-utmp.service",
)
