"""How sharp an image is: derivative energy and the width of its steepest edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.measure.plane import Plane
from miqa_node.domain.assessment import Measurement

SMALLEST_SIDE = 32
MAX_EDGES = 300
TILE = 32
HALF_LENGTH_PX = 32.0
STEP_PX = 0.5
LEAST_CONTRAST = 0.03 * 255
Edges = tuple[NDArray[np.float32], ...]
"""Rows, columns, and unit gradients x and y of points on edges."""
PARALLELS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def sharpness(plane: Plane) -> Iterator[Measurement]:
    """``laplacian_variance``, ``tenengrad`` and ``edge_slope_10_90``, on presentation values scaled to [0, 255].

    laplacian_variance: variance of the 4-neighbour Laplacian (Pech-Pacheco et al., ICPR 2000).
    tenengrad: mean of Gx² + Gy² with 3 × 3 Sobel kernels (Krotkov, IJCV 1, 1988).
    """
    if min(plane.shape) < SMALLEST_SIDE:
        return
    laplacian = cv2.Laplacian(plane.levels, cv2.CV_32F, ksize=1)
    _, deviation = cv2.meanStdDev(laplacian, mask=plane.inner_mask)
    yield Measurement("laplacian_variance", float(deviation[0, 0]) ** 2, "1")
    across = cv2.Sobel(plane.levels, cv2.CV_32F, 1, 0, ksize=3)
    along = cv2.Sobel(plane.levels, cv2.CV_32F, 0, 1, ksize=3)
    energy = sum(float(cv2.norm(gradient, cv2.NORM_L2SQR, plane.inner_mask)) for gradient in (across, along))
    yield Measurement("tenengrad", energy / max(1, _count(plane.inner_mask, plane.display.size)), "1")
    widths = edge_widths_px(plane)
    if len(widths) >= 8:
        width_px = float(np.quantile(widths, 0.25))
        yield Measurement("edge_width_10_90", width_px, "{pixel}")
        if plane.spacing_mm is not None:
            yield Measurement("edge_slope_10_90", width_px * float(np.sqrt(np.prod(plane.spacing_mm))), "mm")


def edge_widths_px(plane: Plane) -> NDArray[np.float64]:
    """10–90 % rise distances, in pixels, of the strongest edge of each tile, of up to 300 tiles.

    Each is read from a profile along the gradient, averaged over five parallel lines, between the ends of the
    monotone run around the steepest point (after Marziliano et al., ICIP 2002, along the gradient instead of the
    rows). Edges of less than 3 % of the display range, and profiles that leave the image, are left out.
    """
    edges = strongest_edges(plane)
    if not len(edges[0]):
        return np.empty(0)
    widths = rises(profiles_across(plane, edges)).widths
    return widths[np.isfinite(widths) & (widths > 0)] * STEP_PX


def strongest_edges(plane: Plane) -> Edges:
    """(row, column, unit gradient x, y) of the steepest point of every tile, steepest tiles first.

    Searched at half resolution, which finds edges rather than noise.
    """
    half = cv2.resize(plane.levels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    gx = cv2.Sobel(half, cv2.CV_32F, 1, 0, ksize=3)
    gy = cv2.Sobel(half, cv2.CV_32F, 0, 1, ksize=3)
    strength = cv2.magnitude(gx, gy)
    tile = TILE // 2
    margin = int(HALF_LENGTH_PX / 2) + 2
    height = (strength.shape[0] - 2 * margin) // tile
    width = (strength.shape[1] - 2 * margin) // tile
    if height < 1 or width < 1:
        return tuple(np.empty(0, np.float32) for _ in range(4))
    inside = strength[margin : margin + height * tile, margin : margin + width * tile]
    tiles = inside.reshape(height, tile, width, tile).transpose(0, 2, 1, 3).reshape(height * width, tile * tile)
    best = tiles.argmax(axis=1)
    steepness = tiles[np.arange(len(best)), best]
    order = np.argsort(-steepness)[:MAX_EDGES]
    order = order[steepness[order] > 0]
    rows = order // width * tile + best[order] // tile + margin
    columns = order % width * tile + best[order] % tile + margin
    norm = strength[rows, columns]
    places = (rows.astype(np.float32) * 2 + 0.5, columns.astype(np.float32) * 2 + 0.5)
    return (*places, gx[rows, columns] / norm, gy[rows, columns] / norm)


def profiles_across(plane: Plane, edges: Edges) -> NDArray[np.float32]:
    """Profiles through the points, rising where the edges were found, shape (edges, samples)."""
    rows, columns, dx, dy = edges
    along = np.arange(-HALF_LENGTH_PX, HALF_LENGTH_PX + STEP_PX / 2, STEP_PX, dtype=np.float32)
    profiles = np.zeros((len(rows), len(along)), np.float32)
    for aside in PARALLELS:
        x = (columns - aside * dy)[:, None] + dx[:, None] * along
        y = (rows + aside * dx)[:, None] + dy[:, None] * along
        profiles += cv2.remap(plane.levels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    profiles /= len(PARALLELS)
    if plane.mask is not None:
        x, y = columns[:, None] + dx[:, None] * along, rows[:, None] + dy[:, None] * along
        inside = cv2.remap(plane.mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT).min(axis=1) > 0
        profiles = profiles[inside]
    return profiles


@dataclass(frozen=True, slots=True)
class Rises:
    """Of each profile: its contrast in levels, and how many samples before and after its middle it is at 10 and 90 %.

    Infinite where a profile is too weak or does not get there.
    """

    contrast: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def widths(self) -> NDArray[np.float64]:
        """10–90 % distances, in samples."""
        return np.asarray(self.before + self.after, np.float64)


def rises(profiles: NDArray[np.float32]) -> Rises:
    """How rising profiles, shape (edges, samples), rise around their middle."""
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
    """The highest value before a profile, read from its first sample, falls back by a tenth of its rise."""
    highest = np.maximum.accumulate(profiles, axis=1)
    fallen = highest - profiles > 0.1 * (highest - profiles[:, :1]) + 0.5
    stop = np.where(fallen.any(axis=1), fallen.argmax(axis=1), profiles.shape[1] - 1)
    return np.asarray(highest[np.arange(len(profiles)), stop], dtype=np.float32)


def _first_crossing(profiles: NDArray[np.floating], level: float) -> NDArray[np.float64]:
    """Where each profile first reaches ``level``, interpolated, in samples; infinite where it does not."""
    reached = profiles >= level
    index = reached.argmax(axis=1)
    rows = np.arange(len(profiles))
    after = profiles[rows, index].astype(np.float64)
    before = profiles[rows, np.maximum(index - 1, 0)].astype(np.float64)
    step = np.where(after > before, (level - before) / np.where(after > before, after - before, 1.0), 0.0)
    return np.where(reached.any(axis=1), np.where(index > 0, index - 1 + step, 0.0), np.inf)


def _count(mask: NDArray[np.uint8] | None, otherwise: int) -> int:
    return otherwise if mask is None else int(cv2.countNonZero(mask))
