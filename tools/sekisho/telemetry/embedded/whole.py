"""Whether the parts of the embedded store are whole: asked when one could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sekisho.core.errors import BadInput
from sekisho.core.language import Both
from sekisho.telemetry.embedded.manifest import Part


def see(folder: Path, parts: Iterable[Part], error: Exception) -> None:
    """See that each can be opened; `error` is what happened before.

    Raises:
        BadInput: one is damaged or gone, with its name.
    """
    for part in parts:
        path = folder / part.file
        try:
            pq.read_metadata(path)
        except (FileNotFoundError, pa.ArrowException):
            raise BadInput(
                Both(
                    f"{path} が壊れているか、なくなっている({part.rows:,}件のイベント)",
                    f"{path} is damaged or gone, with {part.rows:,} events",
                ),
                Both(
                    f"控えから戻す。控えがなければ {folder} を別名にして、ファイルを取り込み直す",
                    f"restore it from the backup; without one, give {folder} another name and ingest the files again",
                ),
            ) from error
