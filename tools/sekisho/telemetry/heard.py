"""When each terminal was last heard of, by the collector's clock; who has been silent for too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from sekisho.core.errors import BadInput, Missing
from sekisho.core.files import write_atomic
from sekisho.core.language import Both
from sekisho.telemetry.event import EPOCH, moment
from sekisho.telemetry.spool import Listing


class Heard(BaseModel):
    """`asked` is when the collector was asked, `at` each terminal's last arrival: microseconds since 1970 (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asked: int
    at: dict[str, int]


class Silent(NamedTuple):
    """A terminal that was not heard of for too long; `since` is None for one that never was."""

    asset: str
    since: datetime | None


def keep(folder: Path, listing: Listing, before: Heard | None) -> Heard:
    """Remember what the collector says; what is known already is not forgotten when the collector is a new one."""
    at = dict(before.at) if before else {}
    for peer, when in listing.heard.items():
        at[peer] = max(when, at.get(peer, 0))
    heard = Heard(asked=listing.now, at=at)
    if heard != before:
        write_atomic(folder / "heard.json", heard.model_dump_json())
    return heard


def known(folder: Path) -> Heard | None:
    """What was remembered; None if nothing ever was.

    Raises:
        BadInput: it is damaged.
    """
    path = folder / "heard.json"
    try:
        return Heard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BadInput(
            Both(f"{path} が壊れている", f"{path} is damaged"),
            Both("削除して `sekisho ship` を実行する", "remove it and run `sekisho ship`"),
        ) from error


def silent(heard: Heard | None, assets: Iterable[str], after: timedelta) -> list[Silent]:
    """Those of `assets` that were silent for longer than `after` when the collector was asked, the longest first.

    Raises:
        Missing: the collector was never asked.
    """
    if heard is None:
        raise Missing(
            Both("ログ収集サーバにまだ問い合わせていない", "the collector was never asked"),
            Both("`sekisho ship` を実行する", "run `sekisho ship`"),
        )
    folded = {peer.casefold(): when for peer, when in heard.at.items()}
    limit = heard.asked - after // timedelta(microseconds=1)
    found = [_silent(asset, folded) for asset in assets if folded.get(asset.casefold(), 0) < limit]
    return sorted(found, key=lambda one: (one.since is not None, one.since or EPOCH, one.asset))


def _silent(asset: str, at: Mapping[str, int]) -> Silent:
    when = at.get(asset.casefold())
    return Silent(asset, None if when is None else moment(when))
