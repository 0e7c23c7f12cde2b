"""A collector for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Collector


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    """A test that fails leaves no collector behind."""
    yield
    for process in Collector.started:
        if process.poll() is None:
            process.kill()
            process.wait()
    Collector.started.clear()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    running = Collector(tmp_path).start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()
    told = running.log.read_text()
    assert "Traceback" not in told, told
