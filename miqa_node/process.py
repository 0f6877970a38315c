"""Prepares a process before it loads numpy, OpenCV and ONNX Runtime: threads of libraries, and memory of large arrays.

Images are judged side by side, one in each worker, so threads inside of libraries only take each other's cores: the
waiting threads of a BLAS spin. And by default the C library gives the memory of every large array back to the system
and asks for it again, page by page, with the next one. Every value here yields to the environment.
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
"""Child processes read all of them at their start; this one has read those of the allocator already."""

_MALLOPT = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_ARENA_MAX": -8}
"""Parameters of mallopt(3)."""


def prepare() -> None:
    """Set what the environment does not. To be called before anything imports numpy or OpenCV."""
    variables = frozenset(os.environ)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        for name, parameter in _MALLOPT.items():
            if name not in variables:
                mallopt(parameter, int(_ENVIRONMENT[name]))


def give_back_memory() -> None:
    """Give free memory of the heap back to the system; for a process that is idle after much work."""
    with contextlib.suppress(OSError, AttributeError):  # of glibc only
        ctypes.CDLL(None).malloc_trim(0)
