"""Shows which places of an image are unusual: their distance to the nearest place in a memory of ordinary images.

After Roth et al., "Towards Total Recall in Industrial Anomaly Detection" (PatchCore), CVPR 2022: features of one stage
of the network, averaged over neighbouring places, against a memory bank reduced by greedy coreset sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.anomaly.arrays import Arrays, take

GRID = 24
"""Number of cells compared along a side; a finer stage is averaged down to about this number."""
METHOD = "patchcore"
MAX_BANK = 4096


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """Places of ordinary images.

    ``places`` float32 (M, C). ``ordinary`` and ``unusual`` float64 (1,): distances that 95 % and 99.9 % of the places
    of ordinary images stay under.
    """

    places: NDArray[np.float32]
    ordinary: NDArray[np.float64]
    unusual: NDArray[np.float64]

    def distances(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance of each place from the nearest one in the bank, shape (rows, columns), of (1, C, H, W)."""
        return nearest(pool_places(tensor), self.places)

    def region_map(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map in [0, 1] over the whole image: 0 for ordinary places, 1 for the peak if it reaches ``unusual``."""
        excess = np.maximum(self.distances(tensor) - np.float32(self.ordinary[0]), 0.0)
        full = max(float(excess.max()), float(self.unusual[0] - self.ordinary[0]))
        return np.asarray(excess / np.float32(full), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that :func:`read_bank` reads."""
        return {"bank_places": self.places, "bank_ordinary": self.ordinary, "bank_unusual": self.unusual}


def pool_places(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """(rows, columns, C) of an output (1, C, H, W); neighbours are averaged until about GRID lie along a side."""
    _, channels, rows, columns = tensor.shape
    step = max(1, min(rows, columns) // GRID)
    cut = tensor[0, :, : rows // step * step, : columns // step * step]
    mean = cut.reshape(channels, rows // step, step, columns // step, step).mean(axis=(2, 4))
    return np.ascontiguousarray(mean.transpose(1, 2, 0), np.float32)


def nearest(places: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distance from the nearest row of ``bank`` (M, C), shape (rows, columns), of (rows, columns, C)."""
    flat = places.reshape(-1, places.shape[-1])
    # |x − b|² = |x|² + |b|² − 2 x·b, in place: these are the largest arrays of an assessment.
    products = flat @ (-2.0 * bank.T)
    products += (bank**2).sum(axis=1)
    distances = np.sqrt(np.maximum((flat**2).sum(axis=1) + products.min(axis=1), 0.0))
    return np.asarray(distances.reshape(places.shape[:2]), np.float32)


def read_bank(arrays: Arrays) -> MemoryBank:
    """The memory bank in a file; ModelPackageError if an array is missing or has another shape."""
    return MemoryBank(
        places=take(arrays, "bank_places", "f", (None, None))[:MAX_BANK].astype(np.float32),
        ordinary=take(arrays, "bank_ordinary", "f", (1,)).astype(np.float64),
        unusual=take(arrays, "bank_unusual", "f", (1,)).astype(np.float64),
    )
