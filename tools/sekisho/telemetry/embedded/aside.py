"""What the embedded store has set aside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.telemetry.embedded import manifest as manifests
from sekisho.telemetry.embedded import whole
from sekisho.telemetry.event import Aside, Reject


def of(folder: Path) -> Iterator[Aside]:
    """What was set aside last comes first, then as it stood in its file.

    Raises:
        BadInput: a part of the store is damaged.
    """
    named = sorted(manifests.read(folder).rejects, key=lambda part: part.arrived, reverse=True)
    for part in named:
        try:
            table = pq.read_table(folder / part.file)
        except (OSError, pa.ArrowException) as error:
            whole.see(folder, named, error)
            raise
        rows: list[dict[str, Any]] = table.sort_by([("file", "ascending"), ("offset", "ascending")]).to_pylist()
        for row in rows:
            yield Aside(Reject(**row), part.arrived)
