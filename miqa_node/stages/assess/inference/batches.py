"""Puts the inputs of images that wait at the same time into one run of a graph, and shares out its outputs.

Nothing runs in a thread of its own: the first caller of a batch waits for others and for the device, then runs it for
all. While the device is busy a batch grows, so a loaded device gets large batches and an idle one no delay beyond
``wait_s``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Run = Callable[[Sequence[str], Arrays], Sequence[Array]]
"""Runs a graph: the names of outputs, and inputs by name; returns the outputs in order."""


@dataclass(slots=True)
class _Batch:
    """Inputs of one or more images, and then their outputs or errors."""

    images: list[Arrays] = field(default_factory=list)
    full: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    results: list[Sequence[Array] | Exception] = field(default_factory=list)


class Batches:
    """The runs of one graph. Thread-safe.

    ``run`` takes up to ``most`` images along the first axis of every input and output; with ``most`` 1 each image has a
    run of its own. ``device`` lets as many runs through as it can take at a time; graphs on one device share it.
    """

    def __init__(self, run: Run, device: AbstractContextManager[object], *, most: int, wait_s: float) -> None:
        self._run, self._device, self._most, self._wait_s = run, device, most, wait_s
        self._open: dict[object, _Batch] = {}
        self._lock = threading.Lock()

    def run(self, outputs: Sequence[str], inputs: Arrays) -> Sequence[Array]:
        """The outputs of one image; errors are those of its own run."""
        # Only what has the same shapes and is asked for the same outputs fits into one run.
        key = (tuple(outputs), tuple((name, array.shape, array.dtype.str) for name, array in sorted(inputs.items())))
        with self._lock:
            batch = self._open.get(key)
            leads = batch is None
            if batch is None:
                batch = self._open[key] = _Batch()
            place = len(batch.images)
            batch.images.append(inputs)
            if len(batch.images) >= self._most:
                self._close(key, batch)
        if leads:
            self._lead(key, batch, outputs)
        else:
            batch.done.wait()
        result = batch.results[place]
        if isinstance(result, Exception):
            raise result
        return result

    def _lead(self, key: object, batch: _Batch, outputs: Sequence[str]) -> None:
        batch.full.wait(self._wait_s)
        try:
            with self._device:
                with self._lock:
                    self._close(key, batch)
                batch.results = self._results(outputs, batch.images)
        finally:
            # Whoever waits must go on, whatever happened here.
            batch.results = batch.results or [RuntimeError("The batch was not run.")] * len(batch.images)
            batch.done.set()

    def _close(self, key: object, batch: _Batch) -> None:
        if self._open.get(key) is batch:
            del self._open[key]
        batch.full.set()

    def _results(self, outputs: Sequence[str], images: Sequence[Arrays]) -> list[Sequence[Array] | Exception]:
        if len(images) > 1:
            try:
                return list(self._together(outputs, images))
            except Exception:  # noqa: BLE001, S110 - each runs by itself, and only the guilty one fails
                pass
        return [self._alone(outputs, image) for image in images]

    def _alone(self, outputs: Sequence[str], image: Arrays) -> Sequence[Array] | Exception:
        try:
            return self._run(outputs, image)
        except Exception as error:  # noqa: BLE001 - raised again where the image came from
            return error

    def _together(self, outputs: Sequence[str], images: Sequence[Arrays]) -> list[list[Array]]:
        count = len(images)
        stacked = {name: np.concatenate([image[name] for image in images]) for name in images[0]}
        values = self._run(outputs, stacked)
        if any(len(value) % count for value in values):
            raise ValueError("An output has another number of images than the inputs.")
        shared = [np.split(value, count) for value in values]
        return [[parts[place] for parts in shared] for place in range(count)]
