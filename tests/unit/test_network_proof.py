"""The compiled ruleset is proved, and a ruleset that was widened is found."""

from __future__ import annotations

import pytest

from sekisho.core.errors import Refused
from sekisho.fleet import hosts as inventory
from sekisho.network.proof import prove
from sekisho.network.ruleset import compile_ruleset
from sekisho.policy import tiers as policy

TIERS = policy.read()
HOSTS = inventory.read(TIERS)
RULESET = compile_ruleset(TIERS, HOSTS)


def test_compiled_ruleset_is_proved() -> None:
    prove(RULESET, TIERS, HOSTS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("policy drop", "policy accept"),
        ("ip saddr 10.10.0.0/18 ip daddr 10.110.0.10/32", "ip saddr 10.10.0.0/18 ip daddr 10.110.0.0/24"),
        ("ip daddr 203.0.113.81/32 tcp dport 443 ct", "ip daddr 203.0.113.81/32 tcp dport 80 ct"),
        ("ip daddr 203.0.113.81/32 tcp dport 443 ct", "ip daddr 203.0.113.81/32 ct"),
        ('iifname "probation" oifname "outside"', 'iifname "probation" oifname "lgwan"'),
        ('iifname "lgwan" ip saddr 10.10.0.0/18 accept', "ip saddr 10.10.0.0/18 accept"),
        ('iifname "internet" ip saddr 10.20.0.0/18 accept', 'iifname "internet" ip saddr 10.10.0.0/18 accept'),
        ("ip saddr 10.9.0.10/32 ip daddr 10.9.0.1/32 tcp dport 22", "ip daddr 10.9.0.1/32 tcp dport 22"),
        ("ct state established,related accept", "accept"),
        ("hook forward", "hook output"),
        ("ip saddr 10.9.0.3/32 ip daddr 10.150.0.10/32", "ip saddr 10.9.0.0/24 ip daddr 10.150.0.10/32"),
        ("ip saddr 10.9.0.3/32 ip daddr 10.150.0.10/32", "ip saddr 10.9.0.3/32 ip daddr 10.150.0.0/24"),
        # What the router sends itself is never forwarded, so nobody passes under its address.
        ("ip saddr 10.9.0.3/32 ip daddr 10.150.0.10/32", "ip saddr 10.9.0.1/32 ip daddr 10.150.0.10/32"),
        ("limit rate", "tcp dport 445 accept # limit rate"),
    ],
)
def test_widened_ruleset_is_refused(old: str, new: str) -> None:
    assert old in RULESET
    with pytest.raises(Refused):
        prove(RULESET.replace(old, new, 1), TIERS, HOSTS)


def test_every_rule_is_needed_by_the_proof_of_its_interface() -> None:
    for line in RULESET.splitlines():
        if "iifname" in line and "ip saddr" in line and "accept" in line:
            widened = RULESET.replace(line, line[: line.index("ip saddr")] + "accept")
            with pytest.raises(Refused):
                prove(widened, TIERS, HOSTS)
