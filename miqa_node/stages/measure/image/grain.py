"""Grain against the structure that it lies over: what noise changes, and the patient and the processing hardly do.

Grain alone differs between images of one machine as much as half of the dose changes it: contrast, size of the patient
and processing scale it together with all other fine structure. Over that structure it is steady in a room.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.dicom.pixels.reduction import within
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.neighbours import lengths
from miqa_node.stages.measure.view import LEVELS, ImageView

SIDE = 640
"""Pixels of the longer side at which grain is looked at, so that detectors of any pixel size can be compared."""
BLOCK = 16
LEAST_BLOCKS = 20
EXPOSED = 3.5
"""Grey levels from black and from white nearer to which grain is cut off, and the share of a block that may be so."""
MOST_CUT = 0.02
SMOOTH_PX = 2.0
"""Gaussian σ after which a gradient is structure."""
LEAST_GRADIENT = 0.25
"""Grey levels per pixel that even places are taken to have."""
ROUNDING = 0.02
"""Variance that rounding to grey levels and compression leave in even places."""
TO_SIGMA = float(np.sqrt(np.pi / 2.0))
"""Standard deviation of normal numbers over their mean absolute deviation."""

Plane = NDArray[np.float32]


def grain_over_structure(view: ImageView) -> float | None:
    """Median over the brighter half of the blocks: few quanta arrive there, so noise shows there first.

    >>> noise = np.random.default_rng(0).normal(0.0, 1.0, (400, 400))
    >>> even = np.full((400, 400), 30000.0)
    >>> few, many = (GRAIN_OVER_STRUCTURE.of(even + level * noise) for level in (300.0, 600.0))
    >>> 1.2 < many / few < 1.4
    True
    """
    levels = within(view.levels, SIDE)
    rows, columns = levels.shape[0] // BLOCK, levels.shape[1] // BLOCK
    levels = levels[: rows * BLOCK, : columns * BLOCK]
    cut = ((levels < EXPOSED) | (levels > LEVELS - EXPOSED)).astype(np.float32)
    usable = _means(cut, rows, columns) < MOST_CUT
    if view.mask is not None:
        mask = within(view.mask.astype(np.float32), SIDE)[: rows * BLOCK, : columns * BLOCK]
        usable &= _means(mask, rows, columns) > 254.5
    if np.count_nonzero(usable) < LEAST_BLOCKS:
        return None
    means, fine = _haar(levels)
    _, coarse = _haar(means)
    bright = _means(levels, rows, columns)
    usable &= bright >= np.median(bright[usable])
    grain, texture = (_deviation(_means(np.abs(one), rows, columns)[usable]) for one in (fine, coarse))
    structure = _means(_gradient(levels), rows, columns)[usable] + LEAST_GRADIENT
    return float(np.median(grain / np.sqrt(texture * structure)))


def _haar(levels: Plane) -> tuple[Plane, Plane]:
    """Low band and diagonal detail of the orthonormal Haar wavelet; the sides are even."""
    above, below = levels[0::2], levels[1::2]
    sums, differences = above + below, above - below
    half = np.float32(0.5)
    return (sums[:, 0::2] + sums[:, 1::2]) * half, (differences[:, 0::2] - differences[:, 1::2]) * half


def _gradient(levels: Plane) -> Plane:
    """Magnitude, in grey levels per pixel, of the smoothed picture."""
    smooth = cv2.GaussianBlur(levels, (0, 0), SMOOTH_PX)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    return lengths(across, down)


def _means(plane: Plane, rows: int, columns: int) -> NDArray[np.float64]:
    """The mean of each block of a plane of any scale."""
    height, width = plane.shape[0] // rows, plane.shape[1] // columns
    blocks = plane[: rows * height, : columns * width].astype(np.float64)
    return np.asarray(cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA), np.float64)


def _deviation(mean_absolute: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.square(TO_SIGMA * mean_absolute) + ROUNDING)


GRAIN_OVER_STRUCTURE = ImageMeasure(
    name="grain_over_structure",
    unit="1",
    is_learned_soon=True,
    least_spread_share=0.03,
    spreads=2.5,
    most_elsewhere=1.4,  # 1.38 where each of seven sources counts alike, 305 images
    scale=POSITIVE,
    label="Grain over structure",
    code="GRAIN_STRUCTURE",
    summary="Finest detail of the displayed picture over coarser detail and edges of the same places.",
    definition="Of blocks of 16 × 16 pixels of the picture at no more than 640 pixels a side, the brighter half: the "
    "median of d₁ / √(d₂ · (g + ¼)). d₁ and d₂ are the standard deviations of the diagonal details of the first and "
    "second scale of the Haar wavelet, from mean absolute values, g is the mean gradient after a Gaussian blur of "
    "σ = 2 pixels; all in grey levels, of 256. Blocks with more than 2 % of their pixels next to black or white are "
    "left out.",
    validity="Radiographs; compare images of one machine, part and view. The finer the pixels of a picture below 640, "
    "the more it has of other things than noise.",
    tolerance="Repeated with other noise within 4 %. A quarter of a room's own dose raised it by a tenth to the double "
    "on 56 chests of four sources, the more of the finest detail is noise.",
    agreement_share=0.02,
    proof="Its formula in code of its own, block by block.",
    left_out="Too little of the picture lies between black and white.",
    section="Noise",
    rank=165,
    least_side_px=128,
    take=grain_over_structure,
)
