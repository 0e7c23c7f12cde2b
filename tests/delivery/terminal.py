"""A terminal's log agent: Debian's rsyslog, out of the lab's base, with the very settings that the role makes."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sekisho.lab import base

_ROLE = Path(__file__).parents[2] / "playbooks/roles/log_agent"
_ENTER = """
mount --make-rprivate /
mount -t overlay overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" "$2/root"
for name in var/spool/sekisho var/spool/rsyslog etc/sekisho/device run; do
  mkdir -p "$2/root/$name" "$2/$name"
  mount --bind "$2/$name" "$2/root/$name"
done
cp "$2/rsyslog.conf" "$2/root/etc/rsyslog.conf"
exec chroot "$2/root" /usr/sbin/rsyslogd -n -i /run/rsyslogd.pid
"""


class Terminal:
    """The log agent in a mount namespace of its own; `certificates` has server.key, server.crt and ca.crt."""

    def __init__(self, folder: Path, certificates: Path, port: int) -> None:
        self.folder = folder
        self.segments, self.positions = folder / "var/spool/sekisho", folder / "var/spool/rsyslog"
        for path in (self.segments, self.positions, folder / "upper", folder / "work", folder / "root"):
            path.mkdir(parents=True)
        device = folder / "etc/sekisho/device"
        device.mkdir(parents=True)
        for ours, theirs in (("server.key", "device.key"), ("server.crt", "device.crt"), ("ca.crt", "ca.crt")):
            (device / theirs).write_bytes((certificates / ours).read_bytes())
        made = Environment(
            loader=FileSystemLoader(_ROLE / "templates"),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - no page
        ).get_template("rsyslog.conf.j2")
        text = made.render(
            ansible_managed="",
            log_agent_collector="127.0.0.1",
            log_agent_collector_name="collector",
            log_agent_certificate_file="/etc/sekisho/device/device.crt",
            log_agent_key_file="/etc/sekisho/device/device.key",
            log_agent_ca_file="/etc/sekisho/device/ca.crt",
        )
        assert 'port="6514"' in text
        (folder / "rsyslog.conf").write_text(text.replace('port="6514"', f'port="{port}"'))
        self._base = base.ensure(lambda *_: None)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """As the unit does: it begins with the oldest segment that is there."""
        for state in self.positions.glob("imfile-state:*"):
            state.unlink()
        with (self.folder / "rsyslog.log").open("ab") as log:
            argv = ["unshare", "--mount", "sh", "-ec", _ENTER, "sh", str(self._base), str(self.folder)]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
