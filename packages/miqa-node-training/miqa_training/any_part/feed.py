"""Batches for training: drawn in place, or by many processes while the device learns from those before once more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from miqa_training.any_part.sampler import PartBatch, PartSampler, Picture
from miqa_training.losses import TargetBatch

USES, KEPT = 4.0, 80
"""Most uses of each batch on average, and how many of the last ones are used again: drawing is slower than learning."""
LEAST_KEPT = 6
GAIN, SHIFT = 0.08, 0.08
"""Largest change of contrast and brightness of a batch that is used again, in normalised values."""


class DrawnBatches(IterableDataset[PartBatch]):
    """Batches without end; each process of a loader draws others, from pictures that it reads itself."""

    def __init__(self, read: Callable[[], Sequence[Picture]], seed: int, size: int) -> None:
        self._read, self._seed, self._size = read, seed, size

    def __iter__(self) -> Iterator[PartBatch]:
        info = get_worker_info()
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        sampler = PartSampler(self._read(), self._seed + 1000 * (info.id if info else 0), torch.device("cpu"))
        while True:
            yield _packed(sampler.batch(self._size))


def drawn_in_place(pictures: Sequence[Picture], seed: int, size: int, device: torch.device) -> Iterator[PartBatch]:
    """Batches from this process on the device; every one is ``USES`` times in the stream."""
    sampler = PartSampler(pictures, seed, device)
    return reused((_packed(sampler.batch(size)) for _ in iter(int, 1)), seed, device)


def drawn_by_processes(
    read: Callable[[], Sequence[Picture]], seed: int, size: int, device: torch.device, processes: int
) -> Iterator[PartBatch]:
    """Batches from processes, each of which calls ``read``; while none is ready, one of those before again."""
    loader = DataLoader(
        DrawnBatches(read, seed, size), batch_size=None, num_workers=processes, prefetch_factor=2,
        multiprocessing_context="spawn",  # forked processes hang where OpenCV or torch have started threads
    )  # fmt: skip
    ready: queue.Queue[PartBatch] = queue.Queue(maxsize=16)
    source = iter(loader)

    def fetch() -> None:
        for batch in source:
            ready.put(batch)

    threading.Thread(target=fetch, daemon=True).start()
    return _as_they_come(ready, seed, device)


def _as_they_come(ready: queue.Queue[PartBatch], seed: int, device: torch.device) -> Generator[PartBatch]:
    rng, pool, drawn, used = np.random.default_rng(seed), list[PartBatch](), 0, 0
    while True:
        used += 1
        if ready.empty() and len(pool) >= LEAST_KEPT and used < USES * drawn:
            yield _again(pool[int(rng.integers(len(pool)))], rng)
            continue
        batch, drawn = moved_to(ready.get(), device), drawn + 1
        pool.append(batch)
        del pool[:-KEPT]
        yield _unpacked(batch)


def reused(batches: Iterator[PartBatch], seed: int, device: torch.device) -> Generator[PartBatch]:
    """Each batch, and between them those before: ``USES`` times on average."""
    rng, pool = np.random.default_rng(seed), list[PartBatch]()
    for drawn in batches:
        batch = moved_to(drawn, device)
        pool.append(batch)
        del pool[:-KEPT]
        yield _unpacked(batch)
        for _ in range(int(USES) - 1 if len(pool) >= LEAST_KEPT else 0):
            yield _again(pool[int(rng.integers(len(pool)))], rng)


def moved_to(batch: PartBatch, device: torch.device) -> PartBatch:
    """The batch on the device."""
    targets = batch.targets
    return replace(
        batch,
        view=batch.view.to(device), crops=batch.crops.to(device), numbers=batch.numbers.to(device),
        targets=TargetBatch(*(getattr(targets, name).to(device) for name in ("present", "severity", "cells", "boxes"))),
    )  # fmt: skip


def _packed(batch: PartBatch) -> PartBatch:
    return replace(batch, view=batch.view.half(), crops=batch.crops.half())


def _unpacked(batch: PartBatch) -> PartBatch:
    return replace(batch, view=batch.view.float(), crops=batch.crops.float())


def _again(batch: PartBatch, rng: np.random.Generator) -> PartBatch:
    """Mirrored or not, with slightly other contrast and brightness."""
    gain, shift = 1.0 + float(rng.uniform(-GAIN, GAIN)), float(rng.uniform(-SHIFT, SHIFT))
    view, crops, targets = batch.view.float() * gain + shift, batch.crops.float() * gain + shift, batch.targets
    for axis in (-1, -2):
        if rng.uniform() < 0.5:
            view, crops = view.flip(axis), crops.flip(axis)
            targets = TargetBatch(targets.present, targets.severity, targets.cells.flip(axis), targets.boxes)
    return replace(batch, view=view, crops=crops, targets=targets)
