"""Bells between processes: each ring of another process is heard, a process's own never."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.runtime.store.bells import Bells
from miqa_node.runtime.store.database import JOBS

RINGS = 2000


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads that take turns so often that each step of one falls between two of another."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_the_ring_of_another_process_is_heard_once(tmp_path: Path) -> None:
    own, other = Bells(tmp_path / "miqa.sqlite"), Bells(tmp_path / "miqa.sqlite")
    assert not own.has_rung(JOBS)
    other.ring(JOBS)
    assert [own.has_rung(JOBS) for _ in range(2)] == [True, False]


@pytest.mark.usefixtures("quick_switches")
def test_a_thread_that_looks_while_another_rings_hears_nothing(tmp_path: Path) -> None:
    bells, ended, heard = Bells(tmp_path / "miqa.sqlite"), threading.Event(), []
    bells.ring(JOBS)

    def ring() -> None:
        for _ in range(RINGS):
            bells.ring(JOBS)
        ended.set()

    thread = threading.Thread(target=ring)
    thread.start()
    while not ended.is_set():
        heard.append(bells.has_rung(JOBS))
    thread.join()
    assert heard
    assert not any(heard)
