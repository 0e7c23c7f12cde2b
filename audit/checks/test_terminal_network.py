"""What the terminal can and cannot reach, tried on the terminal itself."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from declare import check
from testinfra.host import Host

# Whether anybody answers is asked of TCP alone: a server that is slow, or speaks no TLS, is reached all the same.
# With a mark that only root can set, and that the host firewall logs: by it, detection_rules/ tell what a gate tries
# from what anybody else tries. (A port of its own would do, but for connections that the kernel still knows by it.)
_CONNECT = """
import socket, sys
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1021)
one.settimeout(3)
try:
    one.connect((sys.argv[1], 443))
    print("taken")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silent")
"""
_FETCH = "curl --silent --output /dev/null --insecure --max-time 5 --write-out '%%{http_code}' https://%s/"


def _reached(host: Host, address: IPv4Address) -> bool:
    """Whether a connection gets any answer; a refusal is one."""
    told = host.run("python3 -c %s %s", _CONNECT, str(address)).stdout.strip()
    if told not in {"taken", "refused", "silent"}:
        raise RuntimeError("the terminal could not try a connection")
    return told != "silent"


def _served(host: Host, address: IPv4Address) -> bool:
    """Whether a web server answers a request."""
    told = host.run(_FETCH, str(address)).stdout.strip()
    if not told.isdigit():
        raise RuntimeError("the terminal could not try a request: curl did not run")
    return told != "000"


@check(
    "business-reachable",
    ja="LGWAN接続系の業務システムに接続できる(移行前)",
    en="the LGWAN business system answers (before the crossing)",
    controls=["tier-separation"],
    asks="terminal",
    remedy="mend the terminal's network before it crosses: nobody could tell afterwards what broke",
    remedy_ja="移行前に端末のネットワークを直す(移行後では原因が分からなくなる)",
)
def test_business_reachable(host: Host, address_of: Any) -> None:
    assert _served(host, address_of("gyomu")), "the business system does not answer"


@check(
    "outside-unreachable",
    ja="インターネットに接続できない(移行前)",
    en="nothing outside answers (before the crossing)",
    controls=["tier-separation"],
    asks="terminal",
    remedy="find the path: a terminal of the LGWAN tier must not reach the internet",
    remedy_ja="経路を突き止める: LGWAN接続系の端末からインターネットに届いてはならない",
)
def test_outside_unreachable(host: Host, address_of: Any) -> None:
    assert not _reached(host, address_of("outside-web")), "the internet answers from the LGWAN tier"


@check(
    "business-unreachable",
    ja="LGWAN接続系の業務システムに接続できない(移行後)",
    en="the LGWAN business system does not answer (after the crossing)",
    controls=["tier-separation"],
    asks="terminal",
    remedy="find the path: a terminal of the internet tier must not reach the LGWAN tier",
    remedy_ja="経路を突き止める: インターネット接続系の端末からLGWAN接続系に届いてはならない",
)
def test_business_unreachable(host: Host, address_of: Any) -> None:
    assert not _reached(host, address_of("gyomu")), "the LGWAN business system answers from probation"


@check(
    "mynumber-unreachable",
    ja="マイナンバー利用事務系に接続できない",
    en="the My Number server does not answer",
    controls=["tier-separation"],
    asks="terminal",
    remedy="find the path at once: no terminal outside the My Number tier may reach it",
    remedy_ja="直ちに経路を突き止める: マイナンバー利用事務系には他の系統から届いてはならない",
)
def test_mynumber_unreachable(host: Host, address_of: Any) -> None:
    assert not _reached(host, address_of("juki")), "the My Number server answers"


@check(
    "probe-reachable",
    ja="インターネット側の確認先に接続できる",
    en="the one outside target of probation answers",
    controls=["availability"],
    asks="terminal",
    remedy="mend the terminal's network settings, or the route outside",
    remedy_ja="端末のネットワーク設定、または外部への経路を直す",
)
def test_probe_reachable(host: Host, address_of: Any) -> None:
    assert _served(host, address_of("outside-probe")), "the outside target of probation does not answer"


@check(
    "internet-closed",
    ja="確認中はインターネットに接続できない",
    en="on probation the open internet does not answer",
    controls=["tier-separation"],
    asks="terminal",
    remedy="the router's rules for probation are too wide: `sekisho network compile` proves them; then mend the router",
    remedy_ja="確認用ネットワークの規則が広すぎる: `sekisho network compile` で証明し、中継ルータを直す",
)
def test_internet_closed(host: Host, address_of: Any) -> None:
    assert not _reached(host, address_of("outside-web")), "the open internet answers on probation"
