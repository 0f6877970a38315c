"""Training samples from many processes, for a device that learns faster than one thread can draw.

A network on a GPU takes thousands of samples a second, and a processor draws about forty. So whenever no new batch is
ready, one of those before is used again, slightly brighter or darker, at most ``REUSED`` times as often as new ones.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from multiprocessing.pool import AsyncResult
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from miqa_training.losses import TargetBatch
from miqa_training.samples import TrainingSample

QualityBatch = tuple[Tensor, Tensor, TargetBatch]
"""Views, crops and targets of some samples."""
REUSED, KEPT = 3.0, 160
"""Most uses of a new batch on average, and how many of the last ones can be used again."""
GAIN, SHIFT = 0.08, 0.1
"""Largest change of contrast and brightness of a batch that is used again, in normalised values."""
PARTS = ("global_view", "crops", "present", "severity", "cells", "boxes")

_draw: Callable[[int], TrainingSample]


def from_processes(
    sampler: Callable[[int], TrainingSample], numbers: Iterator[int], size: int, processes: int, device: str
) -> Generator[QualityBatch]:
    """Batches of ``size`` samples from each of ``numbers`` on, drawn ahead in processes, and some of them again."""
    rng, earlier, fresh, used = np.random.default_rng(0), list[Any](), 0, 0
    # Forked processes hang where OpenCV or torch have started threads.
    with multiprocessing.get_context("spawn").Pool(processes, _begin, (sampler,)) as pool:
        waiting: deque[AsyncResult[tuple[NDArray[Any], ...]]] = deque(
            pool.apply_async(_batch, (number, size)) for number in islice(numbers, 3 * processes)
        )
        while waiting:
            if not waiting[0].ready() and len(earlier) > 8 and used < REUSED * fresh:
                used += 1
                yield _again(earlier[int(rng.integers(len(earlier)))], rng)
                continue
            batch = _on_device(waiting.popleft().get(), device)
            waiting.extend(pool.apply_async(_batch, (number, size)) for number in islice(numbers, 1))
            fresh, used = fresh + 1, used + 1
            earlier.append(batch)
            del earlier[:-KEPT]
            yield _again(batch, None)


def _begin(sampler: Callable[[int], TrainingSample]) -> None:
    global _draw  # noqa: PLW0603 - a process of the pool has no other place
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _draw = sampler


def _batch(first: int, size: int) -> tuple[NDArray[Any], ...]:
    """The parts of ``size`` samples, pixels in half precision: half as many bytes to hand over."""
    samples = [_draw(number) for number in range(first, first + size)]
    parts = [np.stack([getattr(sample, name) for sample in samples]) for name in PARTS]
    return (parts[0].astype(np.float16), parts[1].astype(np.float16), *parts[2:])


def _on_device(parts: tuple[NDArray[Any], ...], device: str) -> tuple[Tensor, ...]:
    pixels = [torch.from_numpy(part).to(device) for part in parts[:2]]
    return *pixels, *(torch.from_numpy(part) for part in parts[2:])


def _again(batch: tuple[Tensor, ...], rng: np.random.Generator | None) -> QualityBatch:
    view, crops = (part.float() for part in batch[:2])
    if rng is not None:
        gain, shift = 1.0 + float(rng.uniform(-GAIN, GAIN)), float(rng.uniform(-SHIFT, SHIFT))
        view, crops = view * gain + shift, crops * gain + shift
    return view.contiguous(memory_format=torch.channels_last), crops, TargetBatch(*batch[2:])
