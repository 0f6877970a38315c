"""What a process sets before it loads its libraries: one thread for each, and yields to the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os
from miqa_node.core import process
process.prepare()
import cv2, numpy
values = numpy.ones(1 << 17)
values @ values
print(cv2.getNumThreads(), len(os.listdir("/proc/self/task")), os.environ["MALLOC_ARENA_MAX"])
"""
RUNTIME = """
import os
from miqa_node.core import process
process.prepare()
import miqa_node.stages.assess.session, onnxruntime
print(len(os.listdir("/proc/self/task")))
"""


def _run(**environment: str) -> list[str]:
    variables = {
        key: value for key, value in os.environ.items() if not key.startswith(("OPEN", "MALLOC_"))
    } | environment
    return subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=variables
    ).stdout.split()


def test_libraries_start_no_threads() -> None:
    """A BLAS with threads of its own woke them for one dot product, and they went on spinning."""
    assert _run() == ["1", "1", "4"]


def test_the_environment_takes_precedence() -> None:
    assert _run(OPENCV_FOR_THREADS_NUM="2", MALLOC_ARENA_MAX="7")[::2] == ["2", "7"]


CRASH = """
import resource, sys
from pathlib import Path
from miqa_node.interfaces.cli import app
app.run = lambda arguments: print(
    *resource.getrlimit(resource.RLIMIT_CORE), Path("/proc/self/coredump_filter").read_text().strip()
) or 0
app.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the filter of dumps is Linux's")
def test_a_command_that_crashes_leaves_no_memory_on_disk() -> None:
    printed = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["0", "0", "00000000"]


@pytest.mark.more
def test_the_model_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """ONNX Runtime 1.31 kept a database of events in the home folder, and a thread that sends them."""
    environment = {
        key: value for key, value in os.environ.items() if key not in {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    }
    environment |= {"HOME": str(tmp_path)}
    threads = subprocess.run(
        [sys.executable, "-c", RUNTIME], capture_output=True, text=True, check=True, env=environment
    )
    assert threads.stdout.split() == ["1"]
    assert not list(tmp_path.rglob("*onnxruntime*"))
