"""The host rules that a terminal should carry, made on the control machine from the playbooks' own template.

What the terminal has on its disk is under question, so it is never the measure.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from sekisho.core import folders
from sekisho.fleet import hosts
from sekisho.fleet.inventory import Inventory
from sekisho.policy import devices
from sekisho.policy import tiers as policy


@cache
def wanted(tier: str) -> str:
    """The host rules of `tier`, as playbooks/roles/network_profile puts them on a terminal."""
    tiers = policy.read()
    known = hosts.read(tiers)
    inventory = Inventory([], tiers=tiers, hosts=known, devices=devices.read(), state=Path(), day=devices.today())
    template = folders.data("playbooks") / "roles" / "network_profile" / "templates" / "profile.nft.j2"
    shared = inventory.all()["all"]["vars"]
    return jinja2.Template(
        template.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False
    ).render(shared, item=tier, network_profile_control=str(known.one("control").address), ansible_managed="")


def parts(text: str) -> dict[str, str]:
    """The rules by tier in what a terminal carries: each part begins with a line `# tier NAME NETWORK`."""
    heads = [part.partition("\n") for part in text.split("\n# tier ")[1:]]
    return {head.split()[0]: rules for head, _, rules in heads if head.split()}
