"""The kernel's limit grows with the lab, and never shrinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from sekisho.lab import limits


@pytest.mark.parametrize(("now", "machines", "then"), [(128, 21, 1360), (128, 70, 2144), (8192, 70, 8192)])
def test_the_limit_grows_and_never_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int, machines: int, then: int
) -> None:
    file = tmp_path / "max_user_instances"
    file.write_text(str(now))
    monkeypatch.setattr(limits, "_FILE", file)
    limits.allow(machines)
    assert int(file.read_text()) == then
