"""What a writer waits for, as its operator is told: once, again after a while, and when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sekisho.core.language import Both

_SILENCE = 60.0  # seconds after which the same trouble is told again


class Trouble:
    """Tells of it; all threads may."""

    def __init__(self, tell: Callable[[Both], None]) -> None:
        self._tell, self._lock = tell, threading.Lock()
        self._what, self._when = "", 0.0

    def of(self, what: Both) -> None:
        """Something is in the way."""
        with self._lock:
            if what.en != self._what or time.monotonic() > self._when + _SILENCE:
                self._what, self._when = what.en, time.monotonic()
                self._tell(Both(f"Elasticsearchを待っている。{what.ja}", f"waiting for Elasticsearch: {what.en}"))

    def over(self) -> None:
        """It is not in the way any more."""
        with self._lock:
            if self._what:
                self._what = ""
                self._tell(Both("Elasticsearchへの書込みを再開した", "Elasticsearch takes events again"))
