"""Decodes stored images in child processes, so that a crashing or runaway codec costs one image and not the node.

The children stay warm and each is limited in memory and in time per image. Pixels come back through an anonymous
memory file, which is written once and mapped once: nothing has to be cleaned up, even after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import tempfile
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from miqa_node.domain.image import Radiograph
from miqa_node.errors import DecodeLimitError
from miqa_node.imaging import child
from miqa_node.settings import ImagingSettings

IMAGES_PER_CHILD = 1000
"""A child is replaced after so many images, which bounds what a leaking codec can collect."""


class Decoder:
    """A pool of decoding processes. Thread-safe; close it, or use it as a context manager."""

    def __init__(self, settings: ImagingSettings) -> None:
        self._settings = settings
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pebble", child.__name__])
        self._pool = ProcessPool(
            max_workers=settings.decode_processes,
            max_tasks=IMAGES_PER_CHILD,
            initializer=child.limit_child,
            initargs=(settings.decode_memory_bytes,),
            context=context,
        )
        self._warming: threading.Thread | None = None

    def warm(self) -> None:
        """Start the children in the background and return at once, so that the first image does not wait for them.

        They need a third of a second or more, nearly all for the imports of their common parent; without this the first
        call of ``decode`` waits for it. Call it at most once.
        """
        self._warming = threading.Thread(target=self._start_children, name="warm-decoder", daemon=True)
        self._warming.start()

    def _start_children(self) -> None:
        with contextlib.suppress(OSError):  # the first image tries again, and can say what is wrong
            self._pool.schedule(child.ready)

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
                child.decode_to_file,
                args=[path, frame, self._settings.max_pixels, _path_for_child(file)],
                timeout=limit_s,
            )
            try:
                layout: child.Layout = future.result()
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


def _map(file: IO[bytes], layout: child.Layout, frame: int) -> Radiograph:
    """The pixels as writable arrays on a mapping of the file, which lives as long as they do."""
    # Mapping all pages at once is cheaper than thousands of page faults in the middle of the arithmetic.
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    memory = mmap.mmap(file.fileno(), 0, flags=flags)
    count = layout.shape[0] * layout.shape[1]
    dtype = np.dtype(layout.stored_dtype)
    stored: NDArray[np.integer] = np.frombuffer(memory, dtype, count).reshape(layout.shape)
    display = np.frombuffer(memory, np.uint16, count, offset=count * dtype.itemsize).reshape(layout.shape)
    valid = colour = None
    offset = count * (dtype.itemsize + 2)
    if layout.has_colour:
        colour = np.frombuffer(memory, np.uint16, 3 * count, offset=offset).reshape(*layout.shape, 3)
        offset += 6 * count
    if layout.has_valid:
        valid = np.frombuffer(memory, np.bool_, count, offset=offset).reshape(layout.shape)
    return Radiograph(
        stored=stored,
        display=display,
        stored_range=layout.stored_range,
        spacing_mm=layout.spacing_mm,
        valid=valid,
        colour=colour,
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
