"""Finds the round section of a phantom on a slice: its centre, radius and edge, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from .arrays import Array, Mask, Values
from .sampling import between_pixels

ANGLES = 360
INSIDE_MM, OUTSIDE_MM, STEP_MM = 14.0, 8.0, 0.25
"""A ray looks for the edge so far inside and outside of the outline."""
PLATEAU_MM = (10.0, 3.0)
"""Where inside the edge the phantom's own value is read: a share of dark parts there does not matter."""
PLATEAU_PERCENTILE = 80
LEAST_RUN_MM = 3.2
MOST_OFF_MM = 2.5
"""An edge so far from the circle is that of a notch, an air bubble or a bar."""
LEAST_PART = 0.1
"""Parts of a divided disc have at least so much of the area of the largest."""
LEAST_RADIUS_MM = 20.0


class Spacing(NamedTuple):
    """Millimetres between rows and between columns."""

    rows: float
    columns: float


@dataclass(frozen=True, slots=True)
class Disc:
    """The circle that fits the edge best; ``edges_mm`` are distances from its centre, one a degree, NaN without one.

    Angles go from the direction of the columns (right) towards that of the rows (down).
    """

    column: float
    row: float
    radius_mm: float
    edges_mm: Array
    spacing: Spacing

    @property
    def share_on_circle(self) -> float:
        """Share of all directions in which the edge lies on the circle."""
        return float(np.mean(np.abs(self.edges_mm - self.radius_mm) <= MOST_OFF_MM))

    def points(self, angles: Array, radii_mm: Array) -> tuple[Array, Array]:
        """Rows and columns of points at these angles (radians) and distances from the centre."""
        rows = self.row + radii_mm * np.sin(angles) / self.spacing.rows
        columns = self.column + radii_mm * np.cos(angles) / self.spacing.columns
        return rows, columns

    def polar(self, image: Values, radii_mm: Array, angles: Array) -> Array:
        """The image at each distance (rows) and angle (columns) from the centre."""
        rows, columns = self.points(angles[None, :], radii_mm[:, None])
        return between_pixels(image, rows, columns)

    def distances_mm(self, shape: tuple[int, ...]) -> Array:
        """Of each pixel from the centre."""
        rows = (np.arange(shape[0]) - self.row)[:, None] * self.spacing.rows
        columns = (np.arange(shape[1]) - self.column)[None, :] * self.spacing.columns
        return np.asarray(np.hypot(rows, columns), np.float64)

    def within(self, shape: tuple[int, ...], radius_mm: float) -> Mask:
        """Pixels up to this distance from the centre."""
        return np.asarray(self.distances_mm(shape) <= radius_mm)


def degrees() -> Array:
    """The angles of ``edges_mm``, in radians."""
    return np.radians(np.arange(ANGLES, dtype=np.float64))


def find_disc(image: Values, spacing: tuple[float, float], *, floor: float = 0.0, divided: bool = True) -> Disc | None:
    """The disc of the largest object that is brighter than ``floor``; None if its outline is no circle.

    A ``divided`` disc has several parts; else what lies beside the largest part is a table. ``image`` has the phantom
    brighter than what surrounds it, as MR signal and Hounsfield units have.
    """
    above = np.maximum(image - np.float32(floor), 0.0)
    outline = _outline(above, LEAST_PART if divided else 1.0)
    if outline is None:
        return None
    scale = np.array([spacing[1], spacing[0]])
    circle = fit_circle(outline * scale)
    if circle is None or circle[2] < LEAST_RADIUS_MM:
        return None
    step = Spacing(*spacing)
    disc = Disc(circle[0] / scale[0], circle[1] / scale[1], circle[2], np.zeros(0), step)
    for _ in range(2):  # rays from a better centre meet the edge at a right angle
        edges = _edges_mm(above, disc)
        finite = np.isfinite(edges)
        if finite.sum() < ANGLES // 3:
            return None
        rows, columns = disc.points(degrees()[finite], edges[finite])
        circle = fit_circle(np.stack([columns, rows], axis=1) * scale)
        if circle is None:
            return None
        disc = Disc(circle[0] / scale[0], circle[1] / scale[1], circle[2], np.zeros(0), step)
    return Disc(disc.column, disc.row, disc.radius_mm, _edges_mm(above, disc), step)


def fit_circle(points: Array) -> tuple[float, float, float] | None:
    """Column, row and radius of the circle on which most of the points lie; (points, 2), in one unit.

    Least squares, again and again without the most distant quarter until nothing changes.

    >>> angles = np.linspace(0, 6, 100)
    >>> [round(one, 3) for one in fit_circle(np.stack([3 + 9 * np.cos(angles), 4 + 9 * np.sin(angles)], axis=1))]
    [3.0, 4.0, 9.0]
    """
    chosen = np.ones(len(points), bool)
    circle = None
    for _ in range(20):
        some = points[chosen]
        if len(some) < 8:
            return None
        system = np.c_[2.0 * some, np.ones(len(some))]
        solved, *_rest = np.linalg.lstsq(system, (some**2).sum(axis=1), rcond=None)
        radius = float(np.sqrt(max(solved[2] + solved[:2] @ solved[:2], 1e-12)))
        circle = float(solved[0]), float(solved[1]), radius
        off = np.abs(np.hypot(*(points - solved[:2]).T) - radius)
        closer = off <= max(float(np.quantile(off, 0.75)), 1e-3 * radius)
        if np.array_equal(closer, chosen):
            break
        chosen = closer
    return circle


def _outline(above: Values, least_part: float) -> Array | None:
    """Points of the hull of the largest object, as column and row."""
    top = float(np.percentile(above, 99.0))
    if top <= 0.0:
        return None
    shown = cv2.medianBlur(np.clip(above / top * 255.0, 0, 255).astype(np.uint8), 3)
    level, _ = cv2.threshold(shown.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    bright = shown[shown > level]
    if bright.size < ANGLES:
        return None
    mask = (shown > 0.45 * float(np.median(bright))).astype(np.uint8)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return None
    # A bar or a grid divides the disc: all parts of some size belong to it.
    areas = statistics[1:, cv2.CC_STAT_AREA]
    parts = np.isin(labels, 1 + np.flatnonzero(areas >= least_part * areas.max())).astype(np.uint8)
    contours, _ = cv2.findContours(parts, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = np.zeros_like(parts)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(contours)), 1)
    contours, _ = cv2.findContours(hull, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(contours[0][:, 0, :], np.float64)


def _edges_mm(above: Values, disc: Disc) -> Array:
    """Distance of the outermost edge in each direction: where half of the value inside is reached."""
    radii = np.arange(disc.radius_mm - INSIDE_MM, disc.radius_mm + OUTSIDE_MM, STEP_MM)
    rays = disc.polar(above, radii, degrees())
    inside = (radii >= disc.radius_mm - PLATEAU_MM[0]) & (radii <= disc.radius_mm - PLATEAU_MM[1])
    outside = radii >= disc.radius_mm + 4.0
    plateau = np.percentile(rays[inside], PLATEAU_PERCENTILE, axis=0)
    # A notch is dark far inside: the value beside it says where half is.
    plateau = np.maximum(plateau, 0.7 * float(np.median(plateau)))
    half = (plateau + np.median(rays[outside], axis=0)) / 2.0
    # A film of fluid above an air bubble or in the notch is no edge: the phantom is bright for some way inside of it.
    length = round(LEAST_RUN_MM / STEP_MM)
    runs: Mask = np.asarray(np.lib.stride_tricks.sliding_window_view(rays > half, length, axis=0).all(axis=-1))
    last = len(radii) - 1 - np.argmax(runs[::-1], axis=0)
    is_edge = runs.any(axis=0) & (last < len(radii) - 1)
    place = np.minimum(last, len(radii) - 2)
    columns = np.arange(rays.shape[1])
    inner, outer = rays[place, columns], rays[place + 1, columns]
    part = np.clip((inner - half) / np.maximum(inner - outer, 1e-9), 0.0, 1.0)
    return np.where(is_edge, radii[place] + part * STEP_MM, np.nan)
