"""Decodes stored images in child processes, so that a crashing or runaway codec costs one image and not the node.

The children stay warm and each is limited in memory and in time per image. Pixels come back through an anonymous
memory file, which is written once and mapped once: nothing has to be cleaned up, even after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import resource
import signal
import tempfile
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from miqa_node.domain.image import Radiograph
from miqa_node.errors import DecodeLimitError
from miqa_node.imaging.frame import decode_frame
from miqa_node.settings import ImagingSettings

IMAGES_PER_CHILD = 1000
"""A child is replaced after so many images, which bounds what a leaking codec can collect."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How to read a frame from the transfer file: stored, display and, if ``has_valid``, valid pixels in a row."""

    shape: tuple[int, int]
    stored_dtype: str
    has_valid: bool
    stored_range: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    steps: tuple[str, ...]
    decoder: str
    frames: int


class Decoder:
    """A pool of decoding processes. Thread-safe; close it, or use it as a context manager."""

    def __init__(self, settings: ImagingSettings) -> None:
        self._settings = settings
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._pool = ProcessPool(
            max_workers=settings.decode_processes,
            max_tasks=IMAGES_PER_CHILD,
            initializer=_limit_child,
            initargs=(settings.decode_memory_bytes,),
            context=context,
        )
        self._warming: threading.Thread | None = None

    def warm(self) -> None:
        """Start the children in the background and return at once, so that the first image does not wait for them.

        They need about half a second, nearly all for the imports of their common parent; without this the first call
        of ``decode`` waits for it. Call it at most once.
        """
        self._warming = threading.Thread(target=self._start_children, name="warm-decoder", daemon=True)
        self._warming.start()

    def _start_children(self) -> None:
        with contextlib.suppress(OSError):  # the first image tries again, and can say what is wrong
            self._pool.schedule(_ready)

    def decode(self, path: Path, frame: int = 0) -> Radiograph:
        """Decode one frame, counted from 0, and present it (:mod:`miqa_node.imaging.grayscale`).

        Raises
        ------
        DecodeError
            The pixels are in a syntax that is not decoded, or damaged; the text says which and what to do.
        DecodeLimitError
            The child ran past its time or memory limit, or died. The pool goes on with a new one.
        OSError
            The file is not there or may not be read.
        """
        limit_s = self._settings.decode_timeout_s
        with _transfer_file() as file:
            future = self._pool.schedule(
                _decode_to_file, args=[path, frame, self._settings.max_pixels, _path_for_child(file)], timeout=limit_s
            )
            try:
                layout: _Layout = future.result()
            except FutureTimeoutError as late:
                raise DecodeLimitError(
                    f"Not decoded within {limit_s:g} s; raise imaging.decode_timeout_s if the image is sound."
                ) from late
            except ProcessExpired as died:
                raise DecodeLimitError(
                    f"The decoding process died (exit code {died.exitcode}): the codec crashed on this image."
                ) from died
            except MemoryError as full:
                raise DecodeLimitError(
                    "It needs more memory than imaging.decode_memory_bytes allows. Raise it if the image is sound."
                ) from full
            return _map(file, layout, frame)

    def close(self) -> None:
        """Stop the children; images being decoded fail."""
        if self._warming is not None:
            self._warming.join()  # a pool that is stopped while it starts would go on
        self._pool.stop()
        self._pool.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _limit_child(memory_bytes: int) -> None:
    """Give this process its limits; Ctrl-C is for the node, which stops its children itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cv2.setNumThreads(1)


def _ready() -> None:
    """In the child: nothing; the pool starts its children when something is scheduled."""


def _decode_to_file(path: Path, frame: int, max_pixels: int, transfer: str) -> _Layout:
    """In the child: decode and write the pixels to the transfer file."""
    decoded = decode_frame(path, frame, max_pixels)
    with Path(transfer).open("r+b", buffering=0) as file:
        for pixels in (decoded.stored, decoded.display, decoded.valid):
            if pixels is not None:
                np.ascontiguousarray(pixels).tofile(file)
    rows, columns = decoded.display.shape
    return _Layout(
        shape=(rows, columns),
        stored_dtype=decoded.stored.dtype.str,
        has_valid=decoded.valid is not None,
        stored_range=decoded.stored_range,
        spacing_mm=decoded.spacing_mm,
        steps=decoded.steps,
        decoder=decoded.decoder,
        frames=decoded.frames,
    )


def _map(file: IO[bytes], layout: _Layout, frame: int) -> Radiograph:
    """The pixels as writable arrays on a mapping of the file, which lives as long as they do."""
    # Mapping all pages at once is cheaper than thousands of page faults in the middle of the arithmetic.
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    memory = mmap.mmap(file.fileno(), 0, flags=flags)
    count = layout.shape[0] * layout.shape[1]
    dtype = np.dtype(layout.stored_dtype)
    stored: NDArray[np.integer] = np.frombuffer(memory, dtype, count).reshape(layout.shape)
    display = np.frombuffer(memory, np.uint16, count, offset=count * dtype.itemsize).reshape(layout.shape)
    valid = None
    if layout.has_valid:
        valid = np.frombuffer(memory, np.bool_, count, offset=count * (dtype.itemsize + 2)).reshape(layout.shape)
    return Radiograph(
        stored=stored,
        display=display,
        stored_range=layout.stored_range,
        spacing_mm=layout.spacing_mm,
        valid=valid,
        steps=layout.steps,
        decoder=layout.decoder,
        frame=frame,
        frames=layout.frames,
    )


def _transfer_file() -> IO[bytes]:
    """An anonymous file in memory; a named temporary file, removed when closed, where the system has none."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("miqa-pixels", os.MFD_CLOEXEC), "w+b")
    return tempfile.NamedTemporaryFile(prefix="miqa-pixels-")


def _path_for_child(file: IO[bytes]) -> str:
    """A path under which another process of this user can open the file."""
    return f"/proc/{os.getpid()}/fd/{file.fileno()}" if hasattr(os, "memfd_create") else str(file.name)
