#!/usr/bin/python3
"""Applies the profile of the network that this terminal was given; it has no timer and decides nothing.

After every authentication (wpa_supplicant's control socket) the address is asked for anew: the VLAN may have changed.
Whenever the card's address changes, the host rules become those of the tier whose network the address lies in, or the
closed ones if it lies in none that the terminal knows. /run/sekisho/profile has the tier's name, or "closed".
"""

import ipaddress
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

CARD = "eth0"
IP = "/usr/sbin/ip"  # every search along PATH would be in the log of process starts
PROFILES = Path("/etc/sekisho/profiles.nft")
CLOSED = Path("/etc/nftables.conf")  # as at every start of the machine
APPLIED = Path("/run/sekisho/profile")
SUPPLICANT = Path("/run/sekisho-supplicant") / CARD
OWN = Path("/run/sekisho/supplicant-client")
# They hold connections from an address that is gone, and TCP would wait for a quarter of an hour.
FOLLOWERS = ["rsyslog.service"]
LOOK = 60.0  # seconds after which the address is looked at although nothing was heard
GRACE = 3.0  # seconds without an address, as a renewal has, before the rules become the closed ones
# A switch opens the port a moment after the terminal was told of its success. A first question that comes too early is
# lost, and networkd would repeat it only after four seconds.
AGAIN = 0.3  # seconds until the address is asked for again; twice as long each time, until networkd is left alone


def carried():
    """The profiles that this terminal carries: by tier, its network and its rules."""
    parts = PROFILES.read_text(encoding="utf-8").split("\n# tier ")[1:]
    heads = [part.partition("\n") for part in parts]
    return {tier: (ipaddress.ip_network(net), rules) for head, _, rules in heads for tier, net in [head.split()]}


def given():
    """The tier whose network the card's address lies in; "" while it has none, "closed" for several or unknown ones."""
    said = subprocess.run([IP, "-j", "-4", "addr", "show", "dev", CARD], capture_output=True, check=False).stdout
    found = [info["local"] for link in json.loads(said or "[]") for info in link.get("addr_info", [])]
    if not found:
        return ""
    known = carried()
    tiers = {next((tier for tier, (net, _) in known.items() if ipaddress.ip_address(one) in net), "") for one in found}
    return tiers.pop() or "closed" if len(tiers) == 1 else "closed"


def apply(profile):
    """Load a profile's rules in one transaction, then say which; the closed one if they cannot be loaded."""
    rules = CLOSED.read_text(encoding="utf-8") if profile == "closed" else carried()[profile][1]
    done = subprocess.run(["nft", "-f", "-"], input=rules.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        print(f"profile {profile}: {done.stderr.decode(errors='replace')[:300]}", file=sys.stderr, flush=True)
        if profile == "closed":
            sys.exit(1)
        profile = apply("closed")
    new = APPLIED.with_suffix(".new")
    new.write_text(profile, encoding="utf-8")
    new.replace(APPLIED)
    return profile


def attach():
    """A socket that hears wpa_supplicant's events, or None while it does not run."""
    OWN.unlink(missing_ok=True)
    ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        ears.bind(str(OWN))
        ears.connect(str(SUPPLICANT))
        ears.settimeout(1)
        ears.send(b"ATTACH")
        ears.recv(64)
    except OSError:
        ears.close()
        return None
    return ears


def heard(ears):
    """Whether an authentication has succeeded among the waiting events; raises OSError when the supplicant is gone."""
    success = False
    ears.setblocking(False)
    while True:
        try:
            event = ears.recv(4096)
        except BlockingIOError:
            return success
        if b"CTRL-EVENT-TERMINATING" in event:
            raise ConnectionResetError
        success = success or b"CTRL-EVENT-EAP-SUCCESS" in event


class Rules:
    """The profile in force, following the card's address."""

    def __init__(self):
        self.applied, self.lost = "", time.monotonic()

    def follow(self):
        """Apply the profile of the present address; the closed one when there has been none for a while."""
        tier = given()
        if tier:
            self.lost = None
            if tier != self.applied:
                self.applied = tier if apply(tier) == tier else ""
                subprocess.run(["systemctl", "--no-block", "try-restart", *FOLLOWERS], check=False)
        elif self.lost is None:
            self.lost = time.monotonic()
        elif self.applied != "closed" and time.monotonic() - self.lost > GRACE:
            self.applied = apply("closed")


class Renewal:
    """Asks for an address in the network that the port now belongs to, and soon again while none comes."""

    def __init__(self):
        self.wait, self.due = AGAIN, None

    def begin(self):
        self.wait = AGAIN
        self.ask()

    def ask(self):
        subprocess.run(["networkctl", "reconfigure", CARD], check=False)
        self.due = time.monotonic() + self.wait if self.wait < GRACE else None
        self.wait *= 2

    def follow(self, rules):
        """Ask again if the time has come and there is still no address."""
        if self.due is not None and time.monotonic() >= self.due:
            self.due = None
            if rules.lost is not None:
                self.ask()

    def patience(self, rest):
        """Seconds that may be slept: `rest`, or less while an answer is waited for."""
        return rest if self.due is None else min(rest, max(0.0, self.due - time.monotonic()))


def main():
    changes = subprocess.Popen([IP, "-4", "monitor", "address"], stdout=subprocess.PIPE, bufsize=0)
    rules, renewal, ears, pinged, looked = Rules(), Renewal(), None, 0.0, None
    while True:
        # While all is well a change wakes us: each look is a process start that goes to the log.
        if looked is None or rules.lost is not None or not rules.applied or time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            rules.follow()
        renewal.follow(rules)
        if ears is None and (ears := attach()):
            renewal.begin()  # an authentication may have been missed
        rest = 5.0 if ears and rules.lost is None else 1.0  # all is well: a change wakes us, nothing need be asked
        ready, _, _ = select.select([one for one in (changes.stdout, ears) if one], [], [], renewal.patience(rest))
        if changes.stdout in ready:
            looked = None
            if not os.read(changes.stdout.fileno(), 65536):
                sys.exit("ip monitor ended")
        try:
            if ears in ready and heard(ears):
                renewal.begin()
            elif ears and time.monotonic() - pinged > 4:
                pinged = time.monotonic()
                ears.send(b"PING")  # fails when a restarted supplicant has another socket
        except OSError:
            ears.close()
            ears = None


if __name__ == "__main__":
    main()
