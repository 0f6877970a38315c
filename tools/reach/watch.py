"""Notes which functions of this repository a process calls, in memory that it shares with whoever runs the tests.

Each process of the environment loads this at its start (``record`` puts a ``.pth`` file there) and does nothing unless
``REACH_PAGE`` names a file. A function is a byte of that file: its place is a digest of path and name, so that no
process needs a list of them, and a commit with other functions reads the same numbers.

Needs ``sys.monitoring`` of Python 3.12 (PEP 669). What lies inside a function (lambdas, functions, comprehensions)
counts as that function; a class body and a module are none, since they run once in a process and not in a test.
"""

from __future__ import annotations

import mmap
import os
import sys
import zlib
from pathlib import Path
from types import CodeType
from typing import Any

PAGE = "REACH_PAGE"
"""Variable: the file, in which each process of one test runner notes its calls."""
AT_START = "reach_at_start"
"""Name under which a process runs this file by itself."""
SIZE = 1 << 21
"""Bytes of the file. Some 15,000 functions share them: one in a hundred has a namesake, and brings a test too many."""
ROOT = f"{Path(__file__).resolve().parents[2]}/"
TOOL = 4
"""Number of this tool for ``sys.monitoring``: neither a debugger's, nor coverage's, nor a profiler's."""
LEFT_OUT = (".venv", "build/", "site/")


def number(path: str, name: str) -> int:
    """Place of a function: ``path`` from the root of the repository, ``name`` with its class.

    >>> number("miqa_node/pipeline.py", "Pipeline.receive") == number("miqa_node/pipeline.py", "Pipeline.receive")
    True
    """
    return zlib.crc32(f"{path}::{name}".encode()) % SIZE


def place(code: CodeType) -> int:
    """Place of the function that the code belongs to; -1 if it belongs to none of this repository."""
    path, name = code.co_filename, code.co_qualname.partition(".<locals>")[0]
    path = os.path.realpath(path)  # miqa_node/libraries has links to packages
    if not path.startswith(ROOT) or name.startswith("<"):
        return -1
    path = path[len(ROOT) :]
    return -1 if path.startswith(LEFT_OUT) else number(path, name)


def start(file: str) -> mmap.mmap:
    """Note calls in the file from now on; each process maps it once, before it gives up its rights to open files."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]  # Python 3.12
    with open(file, "r+b") as opened:  # noqa: PTH123 - at the start of each process
        page = mmap.mmap(opened.fileno(), SIZE)
    places: dict[int, tuple[int, CodeType]] = {}
    off = monitoring.DISABLE

    def called(code: CodeType, _offset: int) -> Any:
        hit = places.get(id(code))
        if hit is None:
            hit = places[id(code)] = (place(code), code)  # the code stays, so that no other gets its number
        if hit[0] < 0:
            return off
        page[hit[0]] = 1
        return None

    if monitoring.get_tool(TOOL):  # a runner of tests that a test started
        monitoring.free_tool_id(TOOL)
    monitoring.use_tool_id(TOOL, "reach")
    monitoring.register_callback(TOOL, monitoring.events.PY_START, called)
    monitoring.set_events(TOOL, monitoring.events.PY_START)
    return page


if __name__ == AT_START and hasattr(sys, "monitoring") and os.path.exists(os.environ[PAGE]):  # noqa: PTH110 - as above
    start(os.environ[PAGE])
