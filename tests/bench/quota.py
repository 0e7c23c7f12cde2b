"""A fixed share of a processor for one process, by the kernel's control groups, as `CPUQuota=` of systemd sets it."""

from __future__ import annotations

from pathlib import Path

_PERIOD = 100_000  # microseconds
_ONE = Path("/sys/fs/cgroup")
_MIXED = _ONE / "cpu"  # where the older kind of control groups is mounted


class Quota:
    """A control group of one process."""

    def __init__(self, name: str, percent: int) -> None:
        older = (_MIXED / "cpu.cfs_quota_us").exists() or (_MIXED / "cgroup.procs").exists()
        self._folder = (_MIXED if older else _ONE) / f"sekisho-bench-{name}"
        self._folder.mkdir()
        quota = _PERIOD * percent // 100
        if older:
            (self._folder / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (self._folder / "cpu.cfs_quota_us").write_text(str(quota))
            (self._folder / "cpu.shares").write_text("10240")  # what else runs here must not be what holds it back
        else:
            (_ONE / "cgroup.subtree_control").write_text("+cpu")
            (self._folder / "cpu.max").write_text(f"{quota} {_PERIOD}")
            (self._folder / "cpu.weight").write_text("10000")

    @classmethod
    def of(cls, process: int, percent: int) -> Quota | None:
        """The quota of a process from now on; None if it has ended."""
        quota = cls(str(process), percent)
        try:
            (quota._folder / "cgroup.procs").write_text(str(process))
        except ProcessLookupError:
            quota.end()
            return None
        return quota

    def end(self) -> tuple[int, int]:
        """Remove the empty group; in how many periods there was something to do, and in how many it was held back."""
        words = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        self._folder.rmdir()
        return int(words["nr_periods"]), int(words["nr_throttled"])
