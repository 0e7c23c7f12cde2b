"""A log of the switch's ports: which VLAN each one was in, and when, as the switch's own database has it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from prefecture import Prefecture
from sekisho.core.errors import SekishoError

_PAUSE = 0.01  # seconds between two readings


class PortLog:
    """Reads ports as long as it is open; a line is (monotonic time, VLAN or None while the port is closed)."""

    def __init__(self, prefecture: Prefecture, *names: str) -> None:
        self._prefecture = prefecture
        self.lines: dict[str, list[tuple[float, int | None]]] = {name: [] for name in names}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._ended.is_set():
            with suppress(SekishoError):
                ports = self._prefecture.lab.switch({"status": True})["ports"]
                moment = time.monotonic()
                for name, lines in self.lines.items():
                    vlan = ports[name]["vlan"] or None
                    if not lines or lines[-1][1] != vlan:
                        lines.append((moment, vlan))
            time.sleep(_PAUSE)

    def vlans(self, name: str) -> list[int]:
        """The VLANs that a port was in, in order, without its closed moments."""
        found: list[int] = []
        for _, vlan in self.lines[name]:
            if vlan is not None and (not found or found[-1] != vlan):
                found.append(vlan)
        return found

    def left(self, name: str, vlan: int) -> float:
        """When the port was first seen to have left a VLAN that it was in."""
        inside = False
        for moment, now in self.lines[name]:
            if inside and now != vlan:
                return moment
            inside = inside or now == vlan
        raise AssertionError(f"{name} did not leave VLAN {vlan}: {self.lines[name]}")
