"""The core router's addresses and routes: derived from `policies/tiers.yml`, set and read back over netmiko.

The router speaks FRR's vtysh through SSH. A line that it rejects is a failure; what left the policy leaves the router.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from netmiko.cisco.cisco_ios import CiscoIosSSH
from netmiko.exceptions import NetmikoAuthenticationException, NetmikoBaseException, NetmikoTimeoutException

from sekisho.core.errors import Missing, Refused, SekishoError
from sekisho.core.language import Both
from sekisho.core.state import State
from sekisho.fleet import hosts
from sekisho.policy import tiers as policy
from sekisho.policy.tiers import Tiers

_USER = "netadmin"
_REJECTED = r"% (Unknown|Invalid|Ambiguous|Command incomplete|Malformed|Configuration failed|.*[Ee]rror|.*[Ff]ailed)"
# Netmiko derives the two from paramiko's errors and not from its own base.
_NO_CONNECTION = (NetmikoBaseException, NetmikoTimeoutException, NetmikoAuthenticationException)
_ADDRESS = re.compile(r"ip address (\S+)")
_ROUTE = re.compile(r"ip route (\S+) (\S+)")


@dataclass(frozen=True)
class Settings:
    """What is set on the router: addresses as (interface, address/prefix), and routes as (network, gateway)."""

    addresses: frozenset[tuple[str, str]]
    routes: frozenset[tuple[str, str]]


def desired(tiers: Tiers) -> Settings:
    """What the policy asks for."""
    return Settings(
        frozenset((tiers.interface(name), str(network.gateway)) for name, network in tiers.networks.items()),
        frozenset((str(route.to), str(route.via)) for route in tiers.routes),
    )


def parse(running: str) -> Settings:
    """The settings in a running configuration, as `show running-config` prints it."""
    addresses, routes, interface = set(), set(), ""
    for line in running.splitlines():
        if not line.startswith(" "):
            interface = line.removeprefix("interface ").strip() if line.startswith("interface ") else ""
        if interface and (found := _ADDRESS.fullmatch(line.strip())):
            addresses.add((interface, found[1]))
        if found := _ROUTE.match(line.strip()):
            routes.add((found[1], "blackhole" if found[2] in {"blackhole", "Null0"} else found[2]))
    return Settings(frozenset(addresses), frozenset(routes))


def difference(now: Settings, wanted: Settings) -> list[str]:
    """The lines that lead from `now` to `wanted`: first what leaves, then what comes."""
    lines: list[str] = [f"no ip route {to} {via}" for to, via in sorted(now.routes - wanted.routes)]
    for sign, pairs in (("no ", now.addresses - wanted.addresses), ("", wanted.addresses - now.addresses)):
        for interface, address in sorted(pairs):
            lines += [f"interface {interface}", f"{sign}ip address {address}", "exit"]
    return lines + [f"ip route {to} {via}" for to, via in sorted(wanted.routes - now.routes)]


def reading(state: State) -> dict[str, Any]:
    """The running configuration as evidence: the text, its digest, and what differs from the policy.

    Raises:
        SekishoError: the router cannot be asked.
    """
    with _connected(state) as device:
        running = _running(device)
    lines = difference(parse(running), desired(policy.read()))
    return {"running": running, "sha256": sha256(running.encode()).hexdigest(), "differs": lines}


def differences(state: State) -> list[str]:
    """The lines that would lead the router to the policy; none when it agrees."""
    found: list[str] = reading(state)["differs"]
    return found


def apply(state: State) -> dict[str, Any]:
    """Lead the router to the policy; the configuration before, the lines set, and the configuration after.

    Raises:
        SekishoError: the router cannot be asked, or rejected a line.
        Refused: it took the lines, but reading back shows another configuration than the policy's.
    """
    wanted = desired(policy.read())
    with _connected(state) as device:
        before = _running(device)
        lines = difference(parse(before), wanted)
        if lines:
            try:
                device.send_config_set(lines, error_pattern=_REJECTED, exit_config_mode=True)
            except (NetmikoBaseException, ValueError) as error:
                raise SekishoError(
                    Both(f"中継ルータが設定の行を拒否した: {error}", f"the core router rejected a line: {error}"),
                    Both("policies/tiers.yml を直す", "mend policies/tiers.yml"),
                ) from error
            device.send_command("write memory")
        after = _running(device)
    left = difference(parse(after), wanted)
    if left:
        raise Refused(
            Both(
                f"中継ルータの設定が方針と違う: {'; '.join(left)}",
                f"the core router is not as the policy says: {'; '.join(left)}",
            ),
            Both("show running-config で確認する", "look at it: show running-config"),
        )
    return {"before": before, "lines": lines, "after": after}


class _Vtysh(CiscoIosSSH):
    """FRR's command line: as IOS, but without `terminal width`, whose refusal, when late, was taken for the prompt."""

    def session_preparation(self) -> None:
        self._test_channel_read(pattern=r"[>#]")
        self.set_base_prompt()
        self.disable_paging()


@contextmanager
def _connected(state: State) -> Iterator[Any]:
    address = hosts.read(policy.read()).one("core_router").address
    ssh = state.path("ssh").resolve()
    if not (ssh / "id_ed25519").exists():
        raise Missing(
            Both(f"{ssh / 'id_ed25519'} がない", f"{ssh / 'id_ed25519'} is not there"),
            Both(
                "機器へのSSH接続に使う鍵をそこに置く(演習環境では `sekisho lab up` が作る)",
                "put the key for SSH to the machines there; in a lab, `sekisho lab up` makes it",
            ),
        )
    try:
        device = _Vtysh(
            host=str(address),
            username=_USER,
            use_keys=True,
            key_file=str(ssh / "id_ed25519"),
            ssh_strict=True,
            system_host_keys=False,
            alt_host_keys=True,
            alt_key_file=str(ssh / "known_hosts"),
            fast_cli=True,
        )
    except (*_NO_CONNECTION, OSError, ValueError) as error:
        raise SekishoError(
            Both(
                f"中継ルータ({address})に問合せできない: {_short(error)}",
                f"the core router ({address}) cannot be asked: {_short(error)}",
            ),
            Both(
                "管理用端末で実行しているか、中継ルータとそのホスト鍵に異常がないかを確認する",
                "run this on the control machine, and check the router and its host key",
            ),
        ) from error
    try:
        yield device
    finally:
        device.disconnect()


def _running(device: Any) -> str:  # noqa: ANN401 - netmiko is untyped
    try:
        return str(device.send_command("show running-config", read_timeout=30))
    except (NetmikoBaseException, OSError) as error:
        raise SekishoError(
            Both(f"中継ルータが応答しない: {_short(error)}", f"the core router does not answer: {_short(error)}"),
            Both("中継ルータを確認する", "check the router"),
        ) from error


def _short(error: Exception) -> str:
    """The line of netmiko's that says what is wrong; its advice for programmers helps no official."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.endswith(":")), type(error).__name__)[:200]
