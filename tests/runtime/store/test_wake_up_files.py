"""Wake-ups between processes: each event of another process is noticed, a process's own never."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.runtime.store.database import JOBS
from miqa_node.runtime.store.wake_up_files import WakeUpFiles

EVENTS = 2000


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads that take turns so often that each step of one falls between two of another."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_an_event_of_another_process_is_noticed_once(tmp_path: Path) -> None:
    own, other = WakeUpFiles(tmp_path / "miqa.sqlite"), WakeUpFiles(tmp_path / "miqa.sqlite")
    assert not own.has_news(JOBS)
    other.announce(JOBS)
    assert [own.has_news(JOBS) for _ in range(2)] == [True, False]


@pytest.mark.usefixtures("quick_switches")
def test_a_thread_that_looks_while_another_announces_notices_nothing(tmp_path: Path) -> None:
    files, ended, noticed = WakeUpFiles(tmp_path / "miqa.sqlite"), threading.Event(), []
    files.announce(JOBS)

    def announce() -> None:
        for _ in range(EVENTS):
            files.announce(JOBS)
        ended.set()

    thread = threading.Thread(target=announce)
    thread.start()
    is_over = False
    while not is_over:  # at least one look, also where this thread waits long for its first turn
        is_over = ended.is_set()
        noticed.append(files.has_news(JOBS))
    thread.join()
    assert not any(noticed)
