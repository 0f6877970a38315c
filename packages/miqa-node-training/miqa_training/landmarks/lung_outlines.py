"""Lung fields of a training image, from points that a reader drew and from its pixels.

No collection whose licence allows shipped weights has drawn lung fields. What a reader drew are the apices, the rib
cage, the costophrenic angles and the domes: they fix the outer outline. The inner border, to the mediastinum and the
heart, is found in the pixels between (GrabCut: Rother et al., ACM Trans Graph 2004;23:309-314).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from miqa_node.stages.assess.landmarks.points import NUMBER

SIDE_PX = 256
"""Side of the lung fields in pixels; they are stretched over the whole image."""
SIDES = ("l", "r")
"""Endings of the points of the lung at the image's left and right."""
REQUIRED = [NUMBER[f"{kind}_{side}"] for kind in ("apex", "cpa", "dome", "lat") for side in SIDES]
REQUIRED += [NUMBER["spine_clav"], NUMBER["spine_low"]]
"""Points without which there is no outline."""
MIDLINE_SHARE = 0.05
"""The mediastinum is at least this share of the rib cage's width wide, on each side of the spine."""
TOP_SHARE, BASE_SHARE = 0.18, 0.25
"""Shares of the lung's height: the upper one narrows to the apex, the border of the lower one is continued down."""

Mask = NDArray[np.uint8]


def drawn_lungs(pixels: NDArray[np.uint8], points: NDArray[np.float64]) -> Mask:
    """Lung fields at the image's left and right, (2, 256, 256) of 0 and 1.

    ``pixels`` (rows, columns); ``points`` (12, 2) as fractions of the image, those of REQUIRED finite.
    """
    gray = _levelled(pixels)
    return np.stack([_lung(gray, points, side) for side in SIDES])


def _levelled(pixels: NDArray[np.uint8]) -> Mask:
    """The picture of SIDE_PX × SIDE_PX with its local contrast evened out."""
    small = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(small, (0.5, 99.5))
    stretched = np.clip((small - low) / max(high - low, 1.0) * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(stretched), np.uint8)


def _lung(gray: Mask, points: NDArray[np.float64], side: str) -> Mask:
    largest = _filled(_outline(points, side))
    rib_cage_px = SIDE_PX * float(points[NUMBER["lat_r"], 0] - points[NUMBER["lat_l"], 0])
    dark = _dark_part(gray, largest, max(2, round(0.03 * rib_cage_px)))
    return _bordered(dark, largest, points, side)


def _outline(points: NDArray[np.float64], side: str) -> NDArray[np.float64]:
    """The polygon (n, 2) of the largest lung that the points allow, as fractions of the image."""
    apex, cpa, dome, widest = (points[NUMBER[f"{kind}_{side}"]] for kind in ("apex", "cpa", "dome", "lat"))
    upper, lower = points[NUMBER["spine_clav"]], points[NUMBER["spine_low"]]
    width = points[NUMBER["lat_r"], 0] - points[NUMBER["lat_l"], 0]
    away = (-1.0 if side == "l" else 1.0) * MIDLINE_SHARE * width

    def beside_spine(y: NDArray[np.float64]) -> NDArray[np.float64]:
        x = upper[0] + (lower[0] - upper[0]) * (y - upper[1]) / max(lower[1] - upper[1], 1e-6)
        return np.stack([x + away, y], 1)

    widest = np.array([widest[0], np.clip(widest[1], apex[1] + 0.02, max(cpa[1], apex[1] + 0.02))])
    inner = beside_spine(np.linspace(dome[1] + 0.03, apex[1] + 0.03, 10))
    return np.concatenate([
        _arc(apex, widest, upright=False), _arc(widest, cpa, upright=True), _arc(cpa, dome, upright=True),
        _arc(dome, inner[0], upright=False), inner,
    ])  # fmt: skip


def _arc(start: NDArray[np.float64], end: NDArray[np.float64], *, upright: bool) -> NDArray[np.float64]:
    """A quarter of an ellipse (24, 2) that leaves ``start`` along the image's columns, else along its rows."""
    turn = np.linspace(0.0, math.pi / 2, 24)
    slow, fast = 1.0 - np.cos(turn), np.sin(turn)
    x, y = (slow, fast) if upright else (fast, slow)
    return np.asarray(start + (end - start) * np.stack([x, y], 1), np.float64)


def _filled(outline: NDArray[np.float64]) -> Mask:
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline * SIDE_PX * 8).astype(np.int32)], 1, cv2.LINE_8, 3)
    return mask


def _dark_part(gray: Mask, largest: Mask, reach_px: int) -> Mask:
    """What is as dark as lung inside the outline and up to ``reach_px`` around it."""
    soft = cv2.GaussianBlur(gray, (0, 0), 2.0)
    inside = soft[largest > 0]
    level, _ = cv2.threshold(inside.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    around, core = cv2.dilate(largest, _disc(reach_px)), cv2.erode(largest, _disc(2 * reach_px))
    labels = np.full(gray.shape, cv2.GC_BGD, np.uint8)
    labels[around > 0] = cv2.GC_PR_BGD
    labels[largest > 0] = np.where(inside <= level + 5, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[(core > 0) & (soft <= np.percentile(inside, 35))] = cv2.GC_FGD
    colour = cv2.cvtColor(cv2.GaussianBlur(gray, (0, 0), 1.0), cv2.COLOR_GRAY2BGR)
    cv2.setRNGSeed(0)  # GrabCut starts its mixtures at random
    cv2.grabCut(colour, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    dark = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) & np.asarray(around, np.uint8)
    opened = cv2.morphologyEx(dark, cv2.MORPH_OPEN, _disc(2))
    dark = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _disc(4)), np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(dark)
    if count < 2:
        return largest
    return np.asarray(parts == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax(), np.uint8)


def _disc(radius: int) -> Mask:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _bordered(dark: Mask, largest: Mask, points: NDArray[np.float64], side: str) -> Mask:
    """The outline from the rib cage to the inner border of its dark part, smoothed and continued to apex and base."""
    inwards = 1 if side == "l" else -1  # columns grow towards the spine, or away from it
    dark_rows = np.flatnonzero((dark & largest).any(1))
    if len(dark_rows) < 10:
        return largest
    columns = np.arange(SIDE_PX)
    border = np.array([inwards * (inwards * columns[(dark & largest)[row] > 0]).max() for row in dark_rows], np.float64)
    border = gaussian_filter1d(median_filter(border, 11, mode="nearest"), 3.0, mode="nearest")
    rows = np.flatnonzero(largest.any(1))
    edge = np.interp(rows, dark_rows, border)
    apex, dome = (SIDE_PX * points[NUMBER[f"{kind}_{side}"]] for kind in ("apex", "dome"))
    height = max(dome[1] - apex[1], 10.0)
    base = min(dome[1], float(dark_rows[-1]))
    below = rows > base
    lowest = ~below & (rows > base - BASE_SHARE * height)
    if below.any() and lowest.sum() > 5:
        slope, start = np.polyfit(rows[lowest], edge[lowest], 1)
        edge[below] = slope * rows[below] + start
    top = rows < apex[1] + TOP_SHARE * height
    if top.any() and not top.all():
        first = edge[~top][0]
        share = np.clip((rows[top] - apex[1]) / (TOP_SHARE * height), 0.0, 1.0)
        edge[top] = apex[0] + (first - apex[0]) * np.sqrt(1.0 - (1.0 - share) ** 2)
    lung = np.zeros_like(largest)
    lung[rows] = largest[rows] & (inwards * columns[None] <= inwards * edge[:, None])
    return lung
