"""Child processes with limits, shared fairly: what one sender's images do to them is no other sender's trouble."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from miqa_node.errors import ResourcesError
from miqa_node.runtime.workers import turns
from miqa_node.runtime.workers.children import ChildDeathError, ChildMemoryError, ChildProcesses, ChildTimeoutError
from miqa_node.runtime.workers.turns import Turns
from tests.waiting import delay, wait_until

LIMIT_S = 60.0
MEMORY_BYTES = 600 << 20


@pytest.fixture
def children() -> Iterator[ChildProcesses]:
    made = ChildProcesses(2, memory_bytes=MEMORY_BYTES)
    yield made
    made.close()


def wait_for(path: str) -> None:
    wait_until(Path(path).exists)


def end_with(number: int) -> None:
    os.kill(os.getpid(), number)
    delay(LIMIT_S)


def hoard(count: int) -> int:
    """Take memory, 64 MiB at a time, and write to it."""
    return sum(int(part.sum()) for part in [np.ones(64 << 20, np.uint8) for _ in range(count)])


def test_what_never_ends_is_ended(children: ChildProcesses) -> None:
    with pytest.raises(ChildTimeoutError):
        children.run(time.sleep, 600.0, timeout_s=0.5)
    assert children.run(pow, 2, 10, timeout_s=LIMIT_S) == 1024


def test_children_that_die_are_replaced_at_once(children: ChildProcesses) -> None:
    children.start()
    (before,) = {child.process.pid for child in children._children}
    os.kill(before, signal.SIGKILL)  # an idle one
    wait_until(lambda: [child.process.pid for child in children._idle] not in ([], [before]))
    with pytest.raises(ChildDeathError) as death:  # a busy one
        children.run(end_with, signal.SIGSEGV, timeout_s=LIMIT_S)
    assert death.value.exitcode == -signal.SIGSEGV
    wait_until(lambda: len(children._idle) == 1)
    assert all(psutil.pid_exists(child.process.pid) for child in children._idle)


def test_children_that_are_idle_for_long_end_but_for_one(
    children: ChildProcesses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    with ThreadPoolExecutor(2) as threads:
        tasks = [threads.submit(children.run, wait_for, str(go), timeout_s=LIMIT_S) for _ in range(2)]
        wait_until(lambda: len(children._busy) == 2)
        go.touch()
        for task in tasks:
            task.result(LIMIT_S)
    assert len(children._idle) == 2
    monkeypatch.setattr("miqa_node.runtime.workers.children.SPARE_S", 0.0)
    monkeypatch.setattr("miqa_node.runtime.workers.children.IDLE_LOOK_S", 0.02)
    looks, look = list[bool](), children._thread.goes_on

    def counted(pause_s: float | None, awake: threading.Event | None = None) -> bool:
        looks.append(len(children._children) == 1)
        return look(pause_s, awake)

    monkeypatch.setattr(children._thread, "goes_on", counted)
    children._awake.set()
    wait_until(lambda: looks.count(True) > 3)
    assert len(children._idle) == 1


def test_long_tasks_of_one_sender_hold_up_no_other(children: ChildProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONG_WAIT_S", 0.3)
    with ThreadPoolExecutor(8) as threads:
        endless = [
            threads.submit(children.run, time.sleep, 600.0, timeout_s=LIMIT_S, sender="ENDLESS") for _ in range(6)
        ]
        wait_until(lambda: len(children._busy) == 2)
        assert children.run(pow, 2, 10, timeout_s=LIMIT_S, sender="OTHER") == 1024
        assert not any(task.done() for task in endless)
        assert len(children._busy) == 2, "it has no more than its own places"
        children.close()
        for task in endless:
            with pytest.raises(ResourcesError):
                task.result(LIMIT_S)


def test_senders_take_turns() -> None:
    turn_of, order = Turns(1), list[str]()
    first, go = threading.Event(), threading.Event()

    def work(sender: str) -> None:
        with turn_of.of(sender):
            order.append(sender)
            first.set()
            go.wait(LIMIT_S)

    with ThreadPoolExecutor(8) as threads:
        tasks: list[Future[None]] = []
        for waiting, sender in enumerate("AAABAB"):
            tasks.append(threads.submit(work, sender))
            first.wait(LIMIT_S)
            wait_until(lambda waiting=waiting: len(turn_of._waiting) == waiting)  # type: ignore[misc]
        go.set()
        for task in tasks:
            task.result(LIMIT_S)
    assert order == ["A", "B", "A", "B", "A", "A"]


def test_of_waiting_tasks_that_one_is_next_whose_sender_has_the_fewest() -> None:
    turn_of = Turns(2)
    with turn_of.of("A"):
        started = threading.Event()
        ends = {name: threading.Event() for name in ("A2", "A3", "B1")}

        def work(name: str) -> str:
            with turn_of.of(name[0]):
                started.set()
                ends[name].wait(LIMIT_S)
            return name

        with ThreadPoolExecutor(4) as threads:
            running = threads.submit(work, "A2")
            assert started.wait(LIMIT_S)
            later = threads.submit(work, "A3")
            wait_until(lambda: len(turn_of._waiting) == 1)
            other = threads.submit(work, "B1")
            wait_until(lambda: len(turn_of._waiting) == 2)
            ends["B1"].set()
            ends["A2"].set()
            assert other.result(LIMIT_S) == "B1"
            assert running.result(LIMIT_S) == "A2"
            ends["A3"].set()
            assert later.result(LIMIT_S) == "A3"


def test_memory_that_is_too_little_for_any_image_is_said() -> None:
    children = ChildProcesses(1, memory_bytes=1 << 20)
    with pytest.raises(ResourcesError, match=r"work\.memory_bytes"):
        children.run(pow, 2, 10, timeout_s=LIMIT_S)
    children.close()


@pytest.mark.more
def test_what_takes_too_much_memory_ends_alone(children: ChildProcesses) -> None:
    with ThreadPoolExecutor(1) as threads:
        greedy = threads.submit(children.run, hoard, 10_000, timeout_s=LIMIT_S)
        assert children.run(pow, 2, 10, timeout_s=LIMIT_S) == 1024
        with pytest.raises(ChildMemoryError):
            greedy.result(LIMIT_S)
    assert children.run(pow, 2, 3, timeout_s=LIMIT_S) == 8


@pytest.mark.more
def test_a_child_that_keeps_too_much_memory_is_not_used_again() -> None:
    children = ChildProcesses(1, memory_bytes=MEMORY_BYTES)
    try:
        first = children.run(os.getpid, timeout_s=LIMIT_S)
        assert children.run(os.getpid, timeout_s=LIMIT_S) == first
        with pytest.raises(ChildMemoryError):
            children.run(hoard, 10_000, timeout_s=LIMIT_S)
        assert children.run(os.getpid, timeout_s=LIMIT_S) != first
    finally:
        children.close()


PLANTED = 'from pathlib import Path; Path(__file__).with_name("was run").touch(); raise ImportError("planted")'


PROGRAM = """
import os
from miqa_node.runtime.workers.children import ChildProcesses
children = ChildProcesses(1)
assert children.run(os.getpid, timeout_s=60.0) != os.getpid()
children.close()
"""


@pytest.mark.more
def test_files_of_the_working_directory_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text(PLANTED)
    subprocess.run([sys.executable, "-P", "-c", PROGRAM], cwd=tmp_path, check=True, timeout=120)
    assert [path.name for path in tmp_path.iterdir()] == ["numpy.py"]
