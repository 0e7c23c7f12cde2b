"""The shipper as a process of its own: `shipping.py STATE -- WORDS…`, where WORDS answer for the collector's spool.

It does what `sekisho ship` does, with the spool on this machine instead of behind SSH.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from sekisho.core.errors import SekishoError
from sekisho.telemetry import stores
from sekisho.telemetry.ship import Shipper
from sekisho.telemetry.spool import Spool


def main() -> None:
    state, words = Path(sys.argv[1]), sys.argv[3:]
    store = stores.of(state)
    while True:
        try:
            with store.writing() as writer:
                Shipper(Spool(words), writer, ZoneInfo("Asia/Tokyo"), state).ship(lambda _: None)
        except SekishoError as error:
            print(error, file=sys.stderr, flush=True)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
