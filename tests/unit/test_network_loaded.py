"""Rules in force are held against the wanted ones line by line: nothing more, nothing less, in the same order."""

from __future__ import annotations

import pytest

from sekisho.network.loaded import differences, tables

WANTED = """# a file for nft -f
table inet sekisho
delete table inet sekisho
table inet sekisho {
  chain input {
    type filter hook input priority filter; policy drop;
    ip saddr 10.9.0.10/32 tcp dport 22 accept
    ip daddr 10.10.0.0/18 drop
    limit rate 10/second log prefix "x "
  }
}
"""
# What nft tells of it once it is loaded.
LOADED = """table inet sekisho {
	chain input {
		type filter hook input priority filter; policy drop;
		ip saddr 10.9.0.10 tcp dport 22 accept
		ip daddr 10.10.0.0/18 drop
		limit rate 10/second burst 5 packets log prefix "x "
	}
}
"""
OTHER = "table ip other {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"


def test_the_loaded_file_does_not_differ() -> None:
    assert differences(LOADED, WANTED) == []
    assert differences(OTHER + LOADED, WANTED) == []
    assert tables(OTHER + LOADED) == ["ip other", "inet sekisho"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("policy drop", "policy accept", ["has input: type filter hook input priority filter; policy accept;"]),
        ("\t\tip daddr 10.10.0.0/18 drop\n", "", ["lacks input: ip daddr 10.10.0.0/18 drop"]),
        ("10.9.0.10 tcp", "10.9.0.10 udp", ["has input: ip saddr 10.9.0.10 udp dport 22 accept"]),
        ("chain input", "chain other", ["has other: type filter hook input priority filter; policy drop;"]),
        ("table inet", "table ip", ["lacks input: type filter hook input priority filter; policy drop;"]),
    ],
)
def test_every_difference_is_told(old: str, new: str, told: list[str]) -> None:
    assert old in LOADED
    assert set(told) <= set(differences(LOADED.replace(old, new), WANTED))


def test_the_order_counts() -> None:
    lines = LOADED.splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    assert differences("".join(lines), WANTED) == ["has its rules in another order"]


def test_an_empty_ruleset_lacks_everything() -> None:
    assert len(differences("", WANTED)) == 4
