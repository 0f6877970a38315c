"""The Pointing Game: whether a map's peak lies on an annotated object (Zhang et al., IJCV 2018; SCIENCE.md §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 15.0 / 600.0
"""Share of the image's side by which the peak may miss a box: 15 px at 600 px."""
SMOOTHING = 1.0
"""Gaussian σ in map cells before the peak is taken."""

Boxes = Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class Hit:
    """Whether the peak of one image's map lies in a box, exactly and with tolerance."""

    exact: bool
    tolerant: bool


def peak(values: NDArray[np.float32]) -> tuple[float, float]:
    """(x, y) of the smoothed map's peak as fractions of the image."""
    smooth = cv2.GaussianBlur(values.astype(np.float32), (0, 0), SMOOTHING)
    row, column = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    return (float(column) + 0.5) / smooth.shape[1], (float(row) + 0.5) / smooth.shape[0]


def hit(point: tuple[float, float], boxes: Boxes) -> Hit:
    """Play one image."""
    return Hit(_inside(point, boxes, 0.0), _inside(point, boxes, TOLERANCE))


def chance(boxes: Boxes, grid: int = 60) -> float:
    """Share of the image where a random point would count as a hit with tolerance."""
    points = [((x + 0.5) / grid, (y + 0.5) / grid) for y in range(grid) for x in range(grid)]
    return sum(_inside(p, boxes, TOLERANCE) for p in points) / len(points)


def _inside(point: tuple[float, float], boxes: Boxes, tolerance: float) -> bool:
    x, y = point
    return any(
        x0 - tolerance <= x <= x1 + tolerance and y0 - tolerance <= y <= y1 + tolerance for x0, y0, x1, y1 in boxes
    )
