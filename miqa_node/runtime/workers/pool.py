"""The pool of worker processes, which decode and encode: a crashing or runaway codec costs one image.

The children stay warm; memory and time per task are limited. In a node they also judge and report
(:mod:`miqa_node.isolation`). Pixels come back through an anonymous memory file, which is written once and mapped once:
no cleanup is needed, even after ``kill -9``.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import structlog
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe import metrics
from miqa_node.core.observe.recent_check import RecentCheck
from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.core.settings import Settings
from miqa_node.dicom.pixels.encode import sample_image
from miqa_node.errors import DecodeLimitError, MiqaError, ResourcesError
from miqa_node.runtime.workers import child
from miqa_node.runtime.workers.answers import ForbiddenAnswerError
from miqa_node.runtime.workers.children import (
    HELPER_LOST,
    ChildDeathError,
    ChildMemoryError,
    ChildProcesses,
    ChildTimeoutError,
    OpenFile,
)

log = structlog.get_logger(__name__)

PAUSES_AFTER_KILL_S = (0.5, 3.0, 10.0)
"""Pauses before retries of an image whose child was killed from outside, such as by the OOM killer."""
KILLED_FROM_OUTSIDE = (-9, -15, 255, None, HELPER_LOST)
"""Exit codes that no codec causes: SIGKILL, SIGTERM, unknown codes, and a lost inference process."""
CHECK_INTERVAL_S = 5.0
CHECK_WAIT_S = 0.5
CHECK_LIMIT_S = 20.0
OWN_WAIT_S = 1.0


class WorkerPool:
    """Processes that decode, encode and run further tasks. Thread-safe; close it, or use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        prepare: Callable[..., None] = child.set_up,
        arguments: tuple[Any, ...] = (),
        preload: Iterable[str] = (),
    ) -> None:
        """``prepare`` and the modules of ``preload`` set the processes up for further tasks, see :meth:`run`."""
        self._timeout_s, self._max_pixels = settings.work.timeout_s, settings.imaging.max_pixels
        self._children = ChildProcesses(
            settings.work.worker_processes,
            prepare,
            arguments,
            (child.__name__, *preload),
            settings.work.memory_bytes,
        )
        self._own = threading.Lock()
        self._warming: threading.Thread | None = None
        self.threads = self._children.threads
        self._check = RecentCheck(
            "The decoder",
            self._try_sample,
            max_age_s=CHECK_INTERVAL_S,
            limit_s=CHECK_LIMIT_S,
            is_busy=lambda: self.all_busy,
        )

    @property
    def all_busy(self) -> bool:
        """Whether every process works on a task."""
        return self._children.all_busy

    @contextmanager
    def own_turn(self) -> Iterator[None]:
        """The node's own checks run one after another: side by side, an idle node would keep a second process for them.

        One that takes long delays the next by a second at most.
        """
        has_turn = self._own.acquire(timeout=OWN_WAIT_S)
        try:
            yield
        finally:
            if has_turn:
                self._own.release()

    def warm(self) -> None:
        """Start the children in the background, so the first image does not wait for them; return at once.

        They need at least a third of a second, mostly for the imports of their common parent.
        """
        self._warming = start_brief_thread("warm-workers", self._start_children)

    def _start_children(self) -> None:
        try:
            self._children.start()
        except ResourcesError as error:  # the first image will try again
            log.warning("worker processes did not start", reason=str(error))

    def decode(self, path: Path, frame: int = 0) -> Radiograph:
        """Decode one frame, counted from 0, and present it (:mod:`miqa_node.dicom.pixels.grayscale`).

        Raises
        ------
        DecodeError
            The pixels are damaged or their syntax is not supported; the message says which, and what to do.
        DecodeLimitError
            The child ran past its time or memory limit, or its codec crashed. The pool goes on with a new one.
        ResourcesError
            No child can be started; the image is not to blame.
        OSError
            The file does not exist or may not be read.
        """
        with child.transfer_file() as file:
            transfer = OpenFile(file.fileno())
            layout: child.Layout = self.run(child.decode_to_file, path, frame, self._max_pixels, transfer)
            return map_pixels(file, layout)

    def encode(self, frame: NDArray[np.uint8], transfer_syntax_uid: str) -> bytes:
        """One compressed frame, as ``encode_frame`` makes it; errors as for decode."""
        encoded: bytes = self.run(child.encode_frame, np.ascontiguousarray(frame), transfer_syntax_uid)
        return encoded

    def uncompress(self, file: bytes) -> bytes:
        """The same object uncompressed (``uncompress``); errors as for decode."""
        plain: bytes = self.run(child.uncompress, file)
        return plain

    def check(self) -> None:
        """Decode a small image; ResourcesError if that fails. The result may be a few seconds old."""
        # Only the first check waits long: later results seldom change.
        if reason := self._check.reason(CHECK_LIMIT_S if self._check.is_new else CHECK_WAIT_S):
            raise ResourcesError(reason)

    def close(self) -> None:
        """Stop the children; images being decoded fail with ResourcesError."""
        self._children.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(self, function: Callable[..., Any], *arguments: Any, sender: str = "") -> Any:
        """The result of a function in a child process; errors as for decode. Tasks take turns by ``sender``."""
        limit_s = self._timeout_s
        if self._warming is not None:
            self._warming.join()  # a task that came earlier would start one more process
        for pause_s in (*PAUSES_AFTER_KILL_S, 0.0):
            try:
                return self._children.run(function, *arguments, timeout_s=limit_s, sender=sender)
            except ChildTimeoutError:
                raise self._given_up(
                    Phrase(
                        "It was not finished within {limit_s} s; raise work.timeout_s if the image is sound.",
                        limit_s=f"{limit_s:g}",
                    ),
                    "time",
                ) from None
            except (ChildMemoryError, MemoryError):
                raise self._given_up(
                    "It needs more memory than work.memory_bytes allows. Raise it if the image is sound.", "memory"
                ) from None
            except ForbiddenAnswerError as answer:
                raise self._given_up(Phrase("{answer} The process was replaced.", answer=answer), "crash") from None
            except ChildDeathError as death:
                exitcode = death.exitcode
                metrics.WORKER_DEATHS.labels("killed" if exitcode in KILLED_FROM_OUTSIDE else "crash").inc()
                if exitcode not in KILLED_FROM_OUTSIDE:
                    break
                log.warning("a worker process was killed from outside", exitcode=exitcode)
                time.sleep(pause_s)
        if exitcode == HELPER_LOST:
            raise DecodeLimitError(
                "The inference process ended each time this image was judged; the log and the GPU's memory may say why."
            )
        raise DecodeLimitError(
            "The worker process died (exit code {exitcode}): a codec crashed on this image,"
            " or the machine has too little memory for it.",
            exitcode=exitcode,
        )

    def _given_up(self, text: str, reason: str) -> DecodeLimitError:
        metrics.WORKER_DEATHS.labels(reason).inc()
        return DecodeLimitError(text)

    def _try_sample(self) -> None:
        """Encode and decode a small image in the children; ResourcesError if that fails."""
        try:
            with self.own_turn():
                self.run(child.decode_sample, sample_image(self.encode), self._max_pixels)
        except Exception as error:  # images would meet the same error
            reason = error if isinstance(error, MiqaError) else type(error).__name__
            raise ResourcesError("No image can be decoded: {reason}", reason=reason) from error


def map_pixels(file: IO[bytes], layout: child.Layout) -> Radiograph:
    """The pixels as writable arrays on a mapping of the file, which lives as long as they do."""
    # Mapping all pages at once is cheaper than thousands of page faults during the computation.
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
        frame=layout.frame,
        frames=layout.frames,
    )
