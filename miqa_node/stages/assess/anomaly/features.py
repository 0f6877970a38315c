"""Describes an image by one row of numbers: pooled outputs of the graph and, where the card asks, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.arrays import Arrays, take
from miqa_node.stages.assess.anomaly.section import Block, TapBlock

Outputs = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Projection:
    """Principal components: ``mean`` (F,), ``components`` (F, K); (x − mean) @ components."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]

    def arrays(self, number: int) -> dict[str, NDArray[Any]]:
        """The arrays that :func:`read_projections` reads for block ``number``."""
        return {f"block{number}_mean": self.mean, f"block{number}_components": self.components}


def raw_features(block: Block, outputs: Outputs, view: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features of one block, shape (F,); ``view`` is the global view (rows, columns)."""
    if isinstance(block, TapBlock):
        parts = []
        for name in block.tensors:
            places = outputs[name][0].reshape(outputs[name].shape[1], -1)
            parts += [places.mean(axis=1), places.std(axis=1)]
        return np.concatenate(parts).astype(np.float64)
    return hog(view)


def features(
    blocks: Sequence[Block], projections: Mapping[int, Projection], outputs: Outputs, view: NDArray[np.float32]
) -> NDArray[np.float64]:
    """All blocks side by side, shape (F,)."""
    rows = []
    for number, block in enumerate(blocks):
        row = raw_features(block, outputs, view)
        projection = projections.get(number)
        if projection is not None:
            if row.shape != projection.mean.shape:
                raise ModelPackageError("the anomaly file was made for other features than the graph gives.")
            row = (row - projection.mean) @ projection.components
        rows.append(row)
    return np.concatenate(rows)


def read_projections(arrays: Arrays, blocks: Sequence[Block]) -> dict[int, Projection]:
    """The projections in a file by block number; the features of other blocks are not projected."""
    projections = {}
    for number in range(len(blocks)):
        if f"block{number}_mean" in arrays:
            mean = take(arrays, f"block{number}_mean", "f", (None,))
            components = take(arrays, f"block{number}_components", "f", (len(mean), None))
            projections[number] = Projection(mean.astype(np.float32), components.astype(np.float32))
    return projections


SIDE_PX = 128
CELL_PX = 16
CELLS = SIDE_PX // CELL_PX
ORIENTATIONS = 9
CLIP = 0.2
"""Clipping limit of L2-Hys: no component of a normalised block exceeds it."""


def hog(view: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shape ((CELLS - 1)² · 4 · ORIENTATIONS,) from a picture (rows, columns) of any size and range."""
    cells = histograms(view, CELLS)
    blocks = np.concatenate([cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]], axis=2)
    blocks = np.minimum(_unit(blocks), CLIP)
    return np.asarray(_unit(blocks).ravel(), np.float64)


def histograms(view: NDArray[np.float32], cells: int) -> NDArray[np.float64]:
    """Votes for each orientation in each cell, shape (cells, cells, ORIENTATIONS); ``cells`` divides SIDE_PX."""
    small = cv2.resize(view, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float64)
    down, right = np.gradient(small)
    strength = np.hypot(down, right)
    place = np.arctan2(down, right) % np.pi * (ORIENTATIONS / np.pi)
    below = np.floor(place).astype(np.int64)
    share = place - below
    rows, columns = np.indices(small.shape) // (SIDE_PX // cells)
    cell = (rows * cells + columns) * ORIENTATIONS
    bins = np.concatenate([(cell + (below + more) % ORIENTATIONS).ravel() for more in (0, 1)])
    votes = np.concatenate([(strength * (1.0 - share)).ravel(), (strength * share).ravel()])
    counted = np.bincount(bins, votes, cells * cells * ORIENTATIONS).astype(np.float64)
    return counted.reshape(cells, cells, ORIENTATIONS)


def _unit(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(blocks / np.sqrt((blocks**2).sum(axis=2, keepdims=True) + 1e-10), np.float64)
