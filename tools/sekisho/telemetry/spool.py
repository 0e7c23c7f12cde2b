"""Control's side of the collector's spool: what is there, reading it, and letting go of what is in the store.

The key that control uses can do nothing else on the collector (`playbooks/roles/collector`, forced command).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sekisho.core import ssh
from sekisho.core.errors import SekishoError
from sekisho.core.language import Both
from sekisho.core.process import run

USER = "sekisho-spool"
_PATIENCE = 60.0  # seconds for one answer
_AT_ONCE = 1000  # segments that one request names: a command line has an end

Name = Annotated[str, StringConstraints(pattern=r"^\d{20}\.ndjson$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Segment(_Strict):
    """One file of the spool: `size` octets of it are durable; only the open one gets more."""

    name: Name
    size: int = Field(ge=0)
    open: bool


class Listing(_Strict):
    """The spool at a moment of the collector's own clock; `heard` is each terminal's last arrival.

    `spool` is another one when the collector was made anew, and counts its segments from the first again.
    Times are microseconds since 1970 (UTC).
    """

    spool: str
    now: int
    segments: tuple[Segment, ...]
    heard: dict[str, int]


class Spool:
    """The spool behind a command that takes `list`, `read NAME OFFSET LIMIT` or `release NAME…` as further words."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._command = command

    def listing(self) -> Listing:
        """What is there, the oldest segment first.

        Raises:
            SekishoError: the collector cannot be reached, or answers otherwise than it should.
        """
        said = self._ask("list")
        try:
            found = Listing.model_validate_json(said)
        except ValidationError as error:
            raise SekishoError(
                Both("ログ収集サーバの回答を読めない", "the collector's answer cannot be read"),
                Both("playbooks/infrastructure.yml をもう一度実行する", "run playbooks/infrastructure.yml again"),
            ) from error
        return found.model_copy(update={"segments": tuple(sorted(found.segments, key=lambda one: one.name))})

    def read(self, name: str, offset: int, limit: int) -> bytes:
        """Whole lines from `offset` on, about `limit` octets of those that are durable, at least one line.

        Raises:
            SekishoError: as above.
        """
        return self._ask("read", name, str(offset), str(limit))

    def release(self, names: Sequence[str]) -> None:
        """Let go of closed segments, which are in the store; one that is gone already is no error.

        Raises:
            SekishoError: as above.
        """
        for begin in range(0, len(names), _AT_ONCE):
            self._ask("release", *names[begin : begin + _AT_ONCE])

    def _ask(self, *words: str) -> bytes:
        done = run([*self._command, *words], timeout=_PATIENCE, check=False)
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
            raise SekishoError(
                Both(f"ログ収集サーバのスプールを読めない: {told}", f"the collector's spool cannot be read: {told}"),
                Both(
                    "管理用端末からログ収集サーバへsshで届くか確認する。ログは収集サーバに残り、失われない",
                    "see that control reaches the collector by ssh; the logs stay there and none is lost",
                ),
            )
        return done.stdout


def remote(state: Path, address: str) -> Spool:
    """The spool of the collector at `address`.

    Raises:
        Missing: control's key for it is not there yet.
    """
    return Spool(ssh.forced(state, state / "ssh" / "spool_ed25519", USER, address, share=True))
