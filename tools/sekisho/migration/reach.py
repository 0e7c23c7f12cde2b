"""Which terminals answer at all: a TCP connection to sshd, all of them at once, before anything heavier is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from sekisho.fleet.terminal import Terminal
from sekisho.policy import tiers as policy

_SSH = 22
_PATIENCE = 3.0  # seconds that one terminal may take
_AT_ONCE = 200


def reachable(terminals: Sequence[Terminal], *, tier: str | None = None) -> set[str]:
    """Asset numbers of those whose sshd answers in the tier that the ledger names (or in `tier`)."""
    return asyncio.run(_ask(terminals, tier))


async def _ask(terminals: Sequence[Terminal], tier: str | None) -> set[str]:
    tiers = policy.read()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(terminal: Terminal) -> str | None:
        address = str(tiers.address(tier or terminal.tier, terminal.number))
        async with gate:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    reader, writer = await asyncio.open_connection(address, _SSH)
                    banner = await reader.read(4)
                    writer.close()
                return terminal.asset if banner == b"SSH-" else None
        return None

    return {asset for asset in await asyncio.gather(*(one(terminal) for terminal in terminals)) if asset}
