"""Histograms of oriented gradients of the global view: coarse shape, which a network trained on defects may discard.

Dalal and Triggs, CVPR 2005, with unsigned orientations, linear votes between neighbouring orientations, and blocks of
2×2 cells normalised by L2-Hys.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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
