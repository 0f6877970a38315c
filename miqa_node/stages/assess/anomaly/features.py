"""Describes an image by one row of numbers: pooled outputs of the graph and, where the card asks, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.arrays import Arrays, take
from miqa_node.stages.assess.anomaly.hog import hog
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
