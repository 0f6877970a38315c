"""Differences between neighbouring pixels, for all measurements that need them, in one pass over the image.

The pass works on stripes of rows that fit in the processor's cache together with their intermediates; intermediates
of the whole image would take several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from miqa_node.stages.measure.view import ImageView

STRIPE_ROWS = 64


@dataclass(frozen=True, slots=True)
class NeighbourDifferences:
    """Of levels in [0, 255], float64. The first two exclude pixels next to padding.

    ``laplacian_variance`` is that of the 4-neighbour Laplacian, ``gradient_energy`` the mean of Gx² + Gy² with 3 × 3
    Sobel kernels. ``column_steps`` and ``row_steps`` are the mean absolute differences between each column (row) and
    the next one, shapes (columns - 1,) and (rows - 1,).
    """

    laplacian_variance: float
    gradient_energy: float
    column_steps: NDArray[np.float64]
    row_steps: NDArray[np.float64]


def neighbour_differences(view: ImageView) -> NeighbourDifferences:
    """All differences; the image has at least two rows and columns.

    >>> from miqa_node.stages.measure.view import view_of
    >>> ramp = np.tile(np.arange(0, 40 * 257, 257, np.uint16), (40, 1))  # rises by one level from column to column
    >>> found = neighbour_differences(view_of(ramp))
    >>> round(float(found.column_steps.mean()), 4), float(found.row_steps.max())
    (1.0, 0.0)
    """
    levels, mask = view.levels, view.inner_mask
    rows, columns = view.shape
    total = squares = energy = 0.0
    column_steps = np.zeros(columns - 1)
    row_steps = []
    for first in range(0, rows, STRIPE_ROWS):
        last = min(first + STRIPE_ROWS, rows)
        above, below = min(first, 1), min(rows - last, 1)
        stripe = levels[first - above : last + below]
        inside = slice(above, above + last - first)
        own = None if mask is None else mask[first:last]
        laplacian = cv2.Laplacian(stripe, cv2.CV_32F, ksize=1)[inside]
        total += cv2.sumElems(laplacian)[0] if own is None else cv2.mean(laplacian, own)[0] * cv2.countNonZero(own)
        squares += float(cv2.norm(laplacian, cv2.NORM_L2SQR, own))
        for direction in ((1, 0), (0, 1)):
            gradient = cv2.Sobel(stripe, cv2.CV_32F, *direction, ksize=3)[inside]
            energy += float(cv2.norm(gradient, cv2.NORM_L2SQR, own))
        inner, following = stripe[inside], stripe[above:]
        column_steps += cv2.reduce(cv2.absdiff(inner[:, 1:], inner[:, :-1]), 0, cv2.REDUCE_SUM).ravel()
        if len(following) > 1:
            row_steps.append(cv2.reduce(cv2.absdiff(following[1:], following[:-1]), 1, cv2.REDUCE_AVG).ravel())
    pixels = max(1, rows * columns if mask is None else cv2.countNonZero(mask))
    return NeighbourDifferences(
        laplacian_variance=max(0.0, squares / pixels - (total / pixels) ** 2),
        gradient_energy=energy / pixels,
        column_steps=column_steps / rows,
        row_steps=np.concatenate(row_steps).astype(np.float64),
    )


def lengths(gx: MatLike, gy: MatLike) -> NDArray[np.float32]:
    """Lengths of gradients, rounded alike wherever they lie in memory.

    OpenCV's ``magnitude`` rounds by alignment, so that now the one and now the other of two equally steep points was
    taken, and an image that was judged again had other widths.
    """
    squares = np.asarray(gx * gx, np.float32)
    squares += gy * gy
    return np.sqrt(squares, out=squares)
