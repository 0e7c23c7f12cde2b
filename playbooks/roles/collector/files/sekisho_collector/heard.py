"""When each peer's last event arrived, so that a terminal's silence can be seen; kept over a restart."""

import json
import os
from pathlib import Path

from sekisho_collector.segments import replace


def read(path):
    """{peer: microseconds since 1970}; empty when nothing was kept, or what was kept is damaged."""
    try:
        kept = json.loads(Path(path).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {peer: at for peer, at in kept.items() if isinstance(at, int)} if isinstance(kept, dict) else {}


class Heard:
    """The collector's own record."""

    def __init__(self, path):
        self.path = Path(path)
        self.at = read(path)
        self._changed = False

    def note(self, peer, at):
        self.at[peer] = at
        self._changed = True

    def save(self):
        """Write what has changed. A full disk keeps the older one: what arrives is still noted here."""
        if not self._changed:
            return
        self._changed = False  # before the copy: what is noted meanwhile counts for the next time
        try:
            replace(self.path, json.dumps(dict(self.at), separators=(",", ":")).encode())
        except OSError as error:
            self._changed = True
            print(f"<4>{self.path}: {os.strerror(error.errno)}", flush=True)
