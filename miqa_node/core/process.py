"""Prepares processes before they load numpy, OpenCV and ONNX Runtime: threads of libraries, memory, child processes.

Images are judged in parallel, one in each worker, so threads inside libraries only compete for cores: waiting threads
of a BLAS spin. By default the C library also returns the memory of every large array to the system and requests it
again, page by page, for the next one. The environment overrides every value here.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import os
import resource
import sys
import warnings
from collections.abc import Sequence
from multiprocessing import forkserver, util
from pathlib import Path

from miqa_node.core.files import held_folder

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the highest value that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_ARENA_MAX": "4",
}
"""Variables that child processes read at their start; this process has already read those of the allocator."""

_MALLOPT = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_ARENA_MAX": -8}
"""Parameters of mallopt(3)."""

_SAFE_PATH = "PYTHONSAFEPATH"


def prepare() -> None:
    """Set values that the environment does not set. Call this before anything imports numpy or OpenCV."""
    variables = frozenset(os.environ)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        for name, parameter in _MALLOPT.items():
            if name not in variables:
                mallopt(parameter, int(_ENVIRONMENT[name]))


def forbid_core_dumps() -> None:
    """Write no memory of this process or its children to disk when one crashes: it has images and names of patients.

    A system that pipes dumps to a program ignores the limit; the filter leaves no page of memory for it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/coredump_filter").write_text("0", "ascii")


def silence_libraries() -> None:
    """Print no warnings of libraries that quote element values; where a log is set up, it filters their lines, too."""
    warnings.filterwarnings("ignore", module=r"pydicom|highdicom|pynetdicom")


def prepare_streams() -> None:
    """Let texts be printed that the terminal's encoding lacks, such as names of files; what is closed is empty."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # its number would be given to the next file, and output of libraries would go there
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - until the end
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # also of JSON a valid spelling


def begin_loading() -> None:
    """Collect no garbage while modules are loaded: all of it stays, and looking for it takes a quarter of that time."""
    gc.disable()


def end_loading() -> None:
    """Collect garbage from now on, but never look at what was loaded until now: there is next to none in it."""
    gc.freeze()
    gc.enable()
    give_back_memory()


def start_fork_server(preloaded: Sequence[str] = ()) -> None:
    """Start the process from which others are forked if it does not run; it imports the modules ``preloaded`` first.

    It must not import from the working directory: others may have put files there.
    """
    if preloaded:
        forkserver.set_forkserver_preload(list(preloaded))
    held_folder.hold(Path(util.get_temp_dir()))  # the socket of the fork server lies there
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def give_back_memory() -> None:
    """Return free heap memory to the system; for a process that is idle after heavy work."""
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
