"""Prepares a process before it loads numpy, OpenCV and ONNX Runtime: threads of libraries, and memory of large arrays.

Images are judged in parallel, one in each worker, so threads inside libraries only compete for cores: waiting threads
of a BLAS spin. By default the C library also returns the memory of every large array to the system and requests it
again, page by page, for the next one. The environment overrides every value here.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

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


def give_back_memory() -> None:
    """Return free heap memory to the system; for a process that is idle after heavy work."""
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
