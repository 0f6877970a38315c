# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Child processes with limits, shared fairly: what one sender's images do to them is no other sender's trouble."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from miqa_node.errors import ResourcesError
from miqa_node.runtime.workers import turns
from miqa_node.runtime.workers.children import ChildDeathError, ChildMemoryError, ChildProcesses, ChildTimeoutError
from miqa_node.runtime.workers.turns import Turns
from tests.runtime.workers.test_children import LIMIT_S, MEMORY_BYTES, children


def hoard(count: int) -> int:
    """Take memory, 64 MiB at a time, and write to it."""
    return sum(int(part.sum()) for part in [np.ones(64 << 20, np.uint8) for _ in range(count)])


def test_what_takes_too_much_memory_ends_alone(children: ChildProcesses) -> None:
    with ThreadPoolExecutor(1) as threads:
        greedy = threads.submit(children.run, hoard, 10_000, timeout_s=LIMIT_S)
        assert children.run(pow, 2, 10, timeout_s=LIMIT_S) == 1024
        with pytest.raises(ChildMemoryError):
            greedy.result(LIMIT_S)
    assert children.run(pow, 2, 3, timeout_s=LIMIT_S) == 8


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


def test_files_of_the_working_directory_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text(PLANTED)
    subprocess.run([sys.executable, "-P", "-c", PROGRAM], cwd=tmp_path, check=True, timeout=120)
    assert [path.name for path in tmp_path.iterdir()] == ["numpy.py"]
