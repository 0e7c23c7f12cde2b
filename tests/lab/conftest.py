"""Fixtures of the lab's own tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blank_lab import TOPOLOGY, Radius

from sekisho.lab import lifecycle
from sekisho.lab.lab import Lab

NAME = f"blank{os.getpid() % 10000}"  # two runs on one machine must not meet


def silent(_what: str, _part: float) -> None:
    """A report that nobody reads."""


@pytest.fixture(scope="session")
def blank_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blank") / "state"


@pytest.fixture(scope="session")
def blank_lab(blank_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Six machines and a switch with nothing configured."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    topology = tmp_path_factory.mktemp("plan") / "lab.yml"
    topology.write_text(TOPOLOGY)
    lifecycle.down(NAME)
    yield lifecycle.up(NAME, blank_state, topology, 0, silent)
    lifecycle.down(NAME)


@pytest.fixture(scope="session")
def throwaway_radius(blank_lab: Lab, blank_state: Path) -> Radius:
    return Radius(blank_lab, blank_state)


@pytest.fixture
def radius(throwaway_radius: Radius) -> Iterator[Radius]:
    """The server as it was at first, whatever a test did to it."""
    throwaway_radius.answer({"pc-0001": 10, "pc-0002": 10, "025e00000021": 50})
    yield throwaway_radius
    throwaway_radius.lab.power(["pc-0001", "pc-0002", "pc-0003", "pr-0001"], on=True)
