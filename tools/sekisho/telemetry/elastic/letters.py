"""Dead letters: documents that the server refused for what they are, kept with its reason until they are sent again."""

from __future__ import annotations

import base64
import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from sekisho.core.clock import stamp
from sekisho.core.errors import BadInput
from sekisho.core.files import unwritten
from sekisho.core.language import Both
from sekisho.telemetry.event import Ecs, Event, Reject

Refused = tuple[Event | Reject, str]  # and what the server said


class Letters:
    """The folder of dead letters in a state folder; files are written once, in the order of their names."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "dead-letters"
        self._lock = threading.Lock()

    def keep(self, refused: Sequence[Refused]) -> None:
        """Write what was refused, durably.

        Raises:
            Missing: the file cannot be written.
        """
        now = stamp()
        lines = b"".join(orjson.dumps({"at": now, "why": why, **_fields(what)}) + b"\n" for what, why in refused)
        path = self.folder / f"{now.replace(':', '')}-{uuid.uuid4().hex[:8]}.ndjson"
        hidden = path.with_suffix(".part")
        try:
            with self._lock:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                with hidden.open("xb") as file:
                    os.fchmod(file.fileno(), 0o600)
                    file.write(lines)
                    file.flush()
                    os.fsync(file.fileno())
                hidden.rename(path)
                handle = os.open(self.folder, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise unwritten(path, error) from error

    def files(self) -> list[Path]:
        """The files there are, the oldest first."""
        return sorted(self.folder.glob("*.ndjson"))

    def count(self) -> int:
        """How many documents lie there."""
        return sum(path.read_bytes().count(b"\n") for path in self.files())

    def read(self, path: Path) -> Iterator[Event | Reject]:
        """What one file has.

        Raises:
            BadInput: it is damaged.
        """
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield _read(line)
                except (ValueError, KeyError, TypeError) as error:
                    raise BadInput(
                        Both(f"{path}:{number}: 壊れている", f"{path}:{number}: damaged"),
                        Both("その行を別の場所に移して、もう一度実行する", "move the line elsewhere and run it again"),
                    ) from error


def split(some: Iterable[Event | Reject]) -> tuple[list[Event], list[Reject]]:
    """Events and rejects, each in their order."""
    events: list[Event] = []
    rejects: list[Reject] = []
    for one in some:
        if isinstance(one, Event):
            events.append(one)
        else:
            rejects.append(one)
    return events, rejects


def _fields(what: Event | Reject) -> dict[str, object]:
    common: dict[str, object] = {"id": what.id.hex(), "file": what.file, "offset": what.offset}
    if isinstance(what, Event):
        return {
            **common,
            "time": what.time,
            "source": what.source.decode(),
            "ecs": list(what.ecs),
            "arrived": what.arrived,
        }
    return {**common, "set_aside_for": what.why, "raw": base64.b64encode(what.raw).decode()}


def _read(line: bytes) -> Event | Reject:
    found = orjson.loads(line)
    key = bytes.fromhex(found["id"])
    if "source" in found:
        ecs = Ecs(*found["ecs"])
        source, arrived = found["source"].encode(), found["arrived"]
        return Event(key, found["time"], source, found["file"], found["offset"], ecs, arrived)
    return Reject(key, base64.b64decode(found["raw"]), found["set_aside_for"], found["file"], found["offset"])
