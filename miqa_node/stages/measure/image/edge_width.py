"""How sharp an image is: the width of its steepest edges, in pixels and in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.neighbours import lengths
from miqa_node.stages.measure.view import ImageView

SMALLEST_SIDE = 32
LEAST_EDGES = 8
MAX_EDGES = 300
TILE = 32
HALF_LENGTH_PX = 32.0
STEP_PX = 0.5
LEAST_CONTRAST = 0.03 * 255
Edges = tuple[NDArray[np.float32], ...]
"""Rows, columns, and unit gradients x and y of points on edges."""
PARALLELS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def _width_px(view: ImageView) -> float | None:
    widths = view.once(edge_widths_px)
    return float(np.quantile(widths, 0.25)) if len(widths) >= LEAST_EDGES else None


def _width_mm(view: ImageView) -> float | None:
    width_px = view.once(_width_px)
    if width_px is None or view.spacing_mm is None:
        return None
    return width_px * float(np.sqrt(np.prod(view.spacing_mm)))


_measure = partial(ImageMeasure, is_learned_soon=True, scale=POSITIVE, section="Sharpness", least_side_px=SMALLEST_SIDE)
EDGE_WIDTH_10_90 = _measure(
    name="edge_width_10_90",
    unit="{pixel}",
    least_spread=0.1,
    label="Edge width in pixels",
    summary="The same distance counted in pixels, which needs no pixel spacing.",
    definition="Lower quartile of the 10–90 % rise distances of the steepest edge of each 32 × 32 tile, of up to 300 "
    "tiles. Each is read along the gradient, averaged over five parallel lines, between the ends of the monotone run. "
    "For a Gaussian blur it is 2.56 σ.",
    validity="Images with eight edges or more of at least 3 % of the display range.",
    tolerance="Within 12 % for Gaussian blurs of σ 1 to 8 pixels; repeated with other noise within 2 %.",
    phrase="edges {value} pixels wide",
    phrase_rank=40,
    rank=130,
    take=_width_px,
)
EDGE_SLOPE_10_90 = _measure(
    name="edge_slope_10_90",
    unit="mm",
    least_spread=0.02,
    label="Edge width 10-90 %",
    summary="Distance over which strong edges rise from 10 to 90 %: smaller is sharper.",
    definition="`edge_width_10_90` times the pixel spacing (where rows and columns differ, times their geometric "
    "mean).",
    validity="As `edge_width_10_90`, where the header gives a spacing; lengths are those at the detector.",
    tolerance="As `edge_width_10_90`.",
    phrase="edges {value} mm wide",
    phrase_rank=30,
    rank=140,
    take=_width_mm,
)


def edge_widths_px(view: ImageView) -> NDArray[np.float64]:
    """10–90 % rise distances, in pixels, of the strongest edge of each tile, up to 300 tiles.

    Each is read from a profile along the gradient, averaged over five parallel lines, between the ends of the
    monotone run around the steepest point (after Marziliano et al., ICIP 2002, along the gradient instead of the
    rows). Edges of less than 3 % of the display range, and profiles that leave the image, are left out.
    """
    edges = strongest_edges(view)
    if not len(edges[0]):
        return np.empty(0)
    widths = rises(profiles_across(view, edges)).widths
    return widths[np.isfinite(widths) & (widths > 0)] * STEP_PX


def strongest_edges(view: ImageView) -> Edges:
    """(row, column, unit gradient x, y) of the steepest point of every tile, steepest tiles first.

    The search runs at half resolution, which finds edges rather than noise.
    """
    half = cv2.resize(view.levels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    gx = cv2.Sobel(half, cv2.CV_32F, 1, 0, ksize=3)
    gy = cv2.Sobel(half, cv2.CV_32F, 0, 1, ksize=3)
    strength = lengths(gx, gy)
    tile = TILE // 2
    margin = int(HALF_LENGTH_PX / 2) + 2
    height = (strength.shape[0] - 2 * margin) // tile
    width = (strength.shape[1] - 2 * margin) // tile
    if height < 1 or width < 1:
        return tuple(np.empty(0, np.float32) for _ in range(4))
    tiles = strength[margin : margin + height * tile, margin : margin + width * tile].reshape(height, tile, width, tile)
    steepness = tiles.max(axis=1).max(axis=2).ravel()
    order = np.argsort(-steepness)[:MAX_EDGES]
    order = order[steepness[order] > 0]
    down, across = order // width, order % width
    best = tiles[down, :, across].reshape(len(order), tile * tile).argmax(axis=1)
    rows, columns = down * tile + best // tile + margin, across * tile + best % tile + margin
    norm = strength[rows, columns]
    places = (rows.astype(np.float32) * 2 + 0.5, columns.astype(np.float32) * 2 + 0.5)
    return (*places, gx[rows, columns] / norm, gy[rows, columns] / norm)


def profiles_across(view: ImageView, edges: Edges) -> NDArray[np.float32]:
    """Profiles through the points, rising where the edges were found, shape (edges, samples)."""
    rows, columns, dx, dy = edges
    along = np.arange(-HALF_LENGTH_PX, HALF_LENGTH_PX + STEP_PX / 2, STEP_PX, dtype=np.float32)
    profiles = np.zeros((len(rows), len(along)), np.float32)
    for aside in PARALLELS:
        x = (columns - aside * dy)[:, None] + dx[:, None] * along
        y = (rows + aside * dx)[:, None] + dy[:, None] * along
        profiles += cv2.remap(view.levels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    profiles /= len(PARALLELS)
    if view.mask is not None:
        x, y = columns[:, None] + dx[:, None] * along, rows[:, None] + dy[:, None] * along
        inside = cv2.remap(view.mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT).min(axis=1) > 0
        profiles = profiles[inside]
    return profiles


@dataclass(frozen=True, slots=True)
class Rises:
    """Of each profile: contrast in levels, and distance in samples from the middle back to 10 % and on to 90 %.

    Infinite if a profile is too weak or does not reach the level.
    """

    contrast: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def widths(self) -> NDArray[np.float64]:
        """10–90 % distances, in samples."""
        return np.asarray(self.before + self.after, np.float64)


def rises(profiles: NDArray[np.float32]) -> Rises:
    """Contrast and 10 % and 90 % points of rising profiles, shape (edges, samples)."""
    middle = profiles.shape[1] // 2
    upper = _run_to_plateau(profiles[:, middle:])
    lower = -_run_to_plateau(-profiles[:, middle::-1])
    contrast = (upper - lower).astype(np.float64)
    good = contrast >= LEAST_CONTRAST
    after, before = np.full(len(profiles), np.inf), np.full(len(profiles), np.inf)
    if good.any():
        rising = (profiles[good] - lower[good, None]) / (upper - lower)[good, None]
        after[good] = _first_crossing(rising[:, middle:], 0.9)
        before[good] = _first_crossing(1.0 - rising[:, middle::-1], 0.9)
    return Rises(contrast, before, after)


def _run_to_plateau(profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest value of each profile before it falls by a tenth of its rise; the first sample is the start."""
    highest = np.maximum.accumulate(profiles, axis=1)
    fallen = highest - profiles > 0.1 * (highest - profiles[:, :1]) + 0.5
    stop = np.where(fallen.any(axis=1), fallen.argmax(axis=1), profiles.shape[1] - 1)
    return np.asarray(highest[np.arange(len(profiles)), stop], dtype=np.float32)


def _first_crossing(profiles: NDArray[np.floating], level: float) -> NDArray[np.float64]:
    """Where each profile first reaches ``level``, interpolated, in samples; infinite if it never does.

    >>> _first_crossing(np.array([[0.0, 0.5, 1.0], [0.0, 0.1, 0.2]]), 0.9).tolist()
    [1.8, inf]
    """
    reached = profiles >= level
    index = reached.argmax(axis=1)
    rows = np.arange(len(profiles))
    after = profiles[rows, index].astype(np.float64)
    before = profiles[rows, np.maximum(index - 1, 0)].astype(np.float64)
    step = np.where(after > before, (level - before) / np.where(after > before, after - before, 1.0), 0.0)
    return np.where(reached.any(axis=1), np.where(index > 0, index - 1 + step, 0.0), np.inf)
